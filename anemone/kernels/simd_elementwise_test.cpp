#include <gtest/gtest.h>

#include <limits>

#include "anemone/kernels/guarded.h"
#include "anemone/kernels/simd.h"

namespace anemone {
namespace {

using namespace kernel_testing;  // NOLINT: helpers of this folder

double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }

struct Unary {
  const char* name;
  void (*loop)(const float*, float*, size_t);
  double (*reference)(double);
  double tolerance;
};

const Unary kUnary[] = {
    {"exp", simd::exp, [](double x) { return std::exp(x); }, kTranscendental},
    {"sigmoid", simd::sigmoid, sigmoid_of, kTranscendental},
    {"silu", simd::silu, [](double x) { return x * sigmoid_of(x); }, kTranscendental},
    {"tanh", simd::tanh, [](double x) { return std::tanh(x); }, kTranscendental},
    {"relu", simd::relu, [](double x) { return x < 0 ? 0.0 : x; }, 0},
};

struct Binary {
  const char* name;
  void (*loop)(const float*, const float*, float*, size_t);
  double (*reference)(double, double);
  double tolerance;
};

const Binary kBinary[] = {
    {"add", simd::add, [](double a, double b) { return a + b; }, kRounded},
    {"sub", simd::sub, [](double a, double b) { return a - b; }, kRounded},
    {"mul", simd::mul, [](double a, double b) { return a * b; }, kRounded},
    {"swiglu", simd::swiglu, [](double g, double u) { return g * sigmoid_of(g) * u; },
     kTranscendental},
};

TEST(SimdUnary, EqualsFp64LoopsAndTouchesNothingElse) {
  for (const Unary& op : kUnary) {
    for (size_t n : kSizes) {
      SCOPED_TRACE(std::string(op.name) + " of " + std::to_string(n));
      const auto x = random_floats(n, 1, -10, 10);
      Guarded out(n), in_place(x);
      op.loop(x.data(), out.data(), n);
      op.loop(in_place.data(), in_place.data(), n);
      for (size_t i = 0; i < n; ++i) expect_close(out[i], op.reference(x[i]), op.tolerance);
      EXPECT_EQ(out.values(), in_place.values());
      EXPECT_TRUE(out.intact() && in_place.intact());
    }
  }
}

TEST(SimdUnary, ExpIsWithinTwoUnitsInTheLastPlaceWhereItsResultIsANormalNumber) {
  std::vector<float> x;
  for (int i = 0; i <= 200000; ++i) x.push_back(-87.33f + static_cast<float>(i) * 176.05f / 200000);
  std::vector<float> out(x.size());
  simd::exp(x.data(), out.data(), x.size());
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double exact = std::exp(static_cast<double>(x[i]));
    worst = std::max(worst, std::abs(static_cast<double>(out[i]) / exact - 1));
  }
  EXPECT_LT(worst, 0x1p-22);
}

// Also in the tail, which runs element by element.
TEST(SimdUnary, ExtremeArgumentsOverflowUnderflowAndStayNoNumbers) {
  std::vector<float> x = {0.0f, NAN, INFINITY};
  for (float a : {1e-38f, 1e-8f, 80.0f, 88.0f, 89.0f, 100.0f, 104.0f, 130.0f, 177.0f, 180.0f,
                  200.0f, 1e4f, 3e4f, 1e20f, std::numeric_limits<float>::max()}) {
    x.push_back(a);
    x.push_back(-a);
  }
  while (x.size() % 16 != 15) x.push_back(-200.0f);
  for (const Unary& op : kUnary) {
    Guarded out(x.size());
    op.loop(x.data(), out.data(), x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      SCOPED_TRACE(std::string(op.name) + " of " + std::to_string(x[i]));
      expect_close(out[i], op.reference(x[i]), op.tolerance);
    }
  }
}

TEST(SimdBinary, EqualsFp64LoopsWhicheverOperandIsOverwritten) {
  for (const Binary& op : kBinary) {
    for (size_t n : kSizes) {
      SCOPED_TRACE(std::string(op.name) + " of " + std::to_string(n));
      const auto a = random_floats(n, 2), b = random_floats(n, 3);
      Guarded out(n), first(a), second(b);
      op.loop(a.data(), b.data(), out.data(), n);
      op.loop(first.data(), b.data(), first.data(), n);
      op.loop(a.data(), second.data(), second.data(), n);
      for (size_t i = 0; i < n; ++i) {
        expect_close(out[i], op.reference(a[i], b[i]), op.tolerance, 1);
      }
      EXPECT_EQ(out.values(), first.values());
      EXPECT_EQ(out.values(), second.values());
      EXPECT_TRUE(out.intact() && first.intact() && second.intact());
    }
  }
}

TEST(SimdScalar, AddsAndMultiplies) {
  for (size_t n : kSizes) {
    const auto a = random_floats(n, 4);
    Guarded sum(n), product(a);
    simd::add_scalar(a.data(), 1.5f, sum.data(), n);
    simd::mul_scalar(product.data(), -3.0f, product.data(), n);
    for (size_t i = 0; i < n; ++i) {
      expect_close(sum[i], a[i] + 1.5, kRounded, 1);
      expect_close(product[i], a[i] * -3.0, kRounded);
    }
    EXPECT_TRUE(sum.intact() && product.intact());
  }
}

TEST(SimdSwiglu, SaturatedGatesGiveZeroOrTheProduct) {
  const std::vector<float> gate = {-3e4f, -200, -180, -104, 104, 180, 200, 3e4f, 0};
  const std::vector<float> up(gate.size(), 2.0f), dy(gate.size(), 3.0f);
  Guarded y(gate.size()), dgate(gate.size()), dup(gate.size());
  simd::swiglu(gate.data(), up.data(), y.data(), gate.size());
  simd::swiglu_backward(gate.data(), up.data(), dy.data(), dgate.data(), dup.data(), gate.size());
  for (size_t i = 0; i < gate.size(); ++i) {
    SCOPED_TRACE(gate[i]);
    const double g = gate[i], s = sigmoid_of(g);
    expect_close(y[i], g * s * 2, kTranscendental);
    expect_close(dgate[i], 6 * s * (1 + g * (1 - s)), kTranscendental);
    expect_close(dup[i], 3 * g * s, kTranscendental);
  }
}

TEST(SimdSwiglu, BackwardEqualsFp64WhicheverOperandsAreOverwritten) {
  for (size_t n : kSizes) {
    SCOPED_TRACE(n);
    const auto gate = random_floats(n, 5, -6, 6), up = random_floats(n, 6),
               dy = random_floats(n, 7);
    Guarded dgate(n), dup(n);
    simd::swiglu_backward(gate.data(), up.data(), dy.data(), dgate.data(), dup.data(), n);
    for (size_t i = 0; i < n; ++i) {
      const double g = gate[i], s = sigmoid_of(g);
      expect_close(dgate[i], dy[i] * up[i] * s * (1 + g * (1 - s)), kTranscendental, 1);
      expect_close(dup[i], dy[i] * g * s, kTranscendental);
    }
    EXPECT_TRUE(dgate.intact() && dup.intact());
    Guarded g0(gate), u0(up);
    simd::swiglu_backward(g0.data(), u0.data(), dy.data(), g0.data(), u0.data(), n);
    EXPECT_EQ(g0.values(), dgate.values());
    EXPECT_EQ(u0.values(), dup.values());
    Guarded u1(up), d1(dy);
    simd::swiglu_backward(gate.data(), u1.data(), d1.data(), d1.data(), u1.data(), n);
    EXPECT_EQ(d1.values(), dgate.values());
    EXPECT_EQ(u1.values(), dup.values());
    Guarded g2(gate), d2(dy);
    simd::swiglu_backward(g2.data(), up.data(), d2.data(), g2.data(), d2.data(), n);
    EXPECT_EQ(g2.values(), dgate.values());
    EXPECT_EQ(d2.values(), dup.values());
  }
}

TEST(SimdRotate, TurnsPairsAndBack) {
  for (size_t n : kSizes) {
    SCOPED_TRACE(n);
    const auto even = random_floats(n, 8), odd = random_floats(n, 9), angle = random_floats(n, 10);
    std::vector<float> cosine(n), sine(n);
    for (size_t i = 0; i < n; ++i) cosine[i] = std::cos(angle[i]), sine[i] = std::sin(angle[i]);
    for (float sign : {1.0f, -1.0f}) {
      Guarded x(n), y(n), x0(even), y0(odd);
      simd::rotate(even.data(), odd.data(), cosine.data(), sine.data(), sign, x.data(), y.data(),
                   n);
      simd::rotate(x0.data(), y0.data(), cosine.data(), sine.data(), sign, x0.data(), y0.data(), n);
      for (size_t i = 0; i < n; ++i) {
        const double c = cosine[i], s = sign * static_cast<double>(sine[i]);
        expect_close(x[i], even[i] * c - odd[i] * s, kRounded, 4);
        expect_close(y[i], even[i] * s + odd[i] * c, kRounded, 4);
      }
      EXPECT_EQ(x.values(), x0.values());
      EXPECT_EQ(y.values(), y0.values());
      EXPECT_TRUE(x.intact() && y.intact());
    }
  }
}

TEST(SimdScaledSoftmax, IsExpOfTheDifference) {
  for (size_t n : kSizes) {
    const auto x = random_floats(n, 11, -80, 0), lse = random_floats(n, 12, 0, 3);
    Guarded out(n), in_place(x);
    simd::scaled_softmax(x.data(), lse.data(), 0.25f, out.data(), n);
    simd::scaled_softmax(in_place.data(), lse.data(), 0.25f, in_place.data(), n);
    for (size_t i = 0; i < n; ++i) {
      // The difference is rounded to fp32 before exp: an error of 80 * 2^-24 in the exponent.
      expect_close(out[i], 0.25 * std::exp(static_cast<double>(x[i]) - lse[i]), kSummed);
    }
    EXPECT_EQ(out.values(), in_place.values());
    EXPECT_TRUE(out.intact());
  }
}

// torch.optim.AdamW (Loshchilov and Hutter 2019), step `t`, in fp64.
struct AdamWReference {
  double rate = 1e-2, beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, decay = 0.1;

  void update(double& p, double g, double& m, double& v, int t) const {
    p -= rate * decay * p;
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g * g;
    const double corrected_m = m / (1 - std::pow(beta1, t));
    const double corrected_v = v / (1 - std::pow(beta2, t));
    p -= rate * corrected_m / (std::sqrt(corrected_v) + epsilon);
  }

  simd::AdamW step(int t, double gradient_scale) const {
    return {static_cast<float>(beta1),
            static_cast<float>(beta2),
            static_cast<float>(1 - beta1),
            static_cast<float>(1 - beta2),
            static_cast<float>(rate / (1 - std::pow(beta1, t))),
            static_cast<float>(1 / (1 - std::pow(beta2, t))),
            static_cast<float>(epsilon),
            static_cast<float>(1 - rate * decay),
            static_cast<float>(gradient_scale)};
  }
};

TEST(SimdAdamW, FollowsTheFormulaOverSeveralSteps) {
  const AdamWReference reference;
  constexpr double kClip = 0.5;
  for (size_t n : kSizes) {
    SCOPED_TRACE(n);
    const auto start = random_floats(n, 13);
    Guarded p(start), m(n, 0), v(n, 0);
    std::vector<double> rp(start.begin(), start.end()), rm(n, 0), rv(n, 0);
    for (int t = 1; t <= 4; ++t) {
      const auto g = random_floats(n, 20 + static_cast<uint64_t>(t));
      simd::adamw(p.data(), g.data(), m.data(), v.data(), n, reference.step(t, kClip));
      for (size_t i = 0; i < n; ++i) reference.update(rp[i], kClip * g[i], rm[i], rv[i], t);
    }
    for (size_t i = 0; i < n; ++i) {
      expect_close(p[i], rp[i], kSummed, 1);
      expect_close(m[i], rm[i], kSummed, 1);
      expect_close(v[i], rv[i], kSummed, 1);
    }
    EXPECT_TRUE(p.intact() && m.intact() && v.intact());
  }
}

TEST(SimdAdamW, AZeroGradientWithEmptyMomentsOnlyDecays) {
  const AdamWReference reference;
  Guarded p(17, 2.0f), m(17, 0), v(17, 0);
  const std::vector<float> g(17, 0.0f);
  simd::adamw(p.data(), g.data(), m.data(), v.data(), 17, reference.step(1, 1));
  for (size_t i = 0; i < 17; ++i) expect_close(p[i], 2 * (1 - 1e-3), kRounded);
}

}  // namespace
}  // namespace anemone
