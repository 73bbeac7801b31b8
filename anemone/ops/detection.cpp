// What is found: non_maximum_suppression and classify.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"

namespace anemone {
namespace {

constexpr Param kSuppress[] = {param("boxes", Accepts::kFloat),
                               param("scores", Accepts::kFloat),
                               const_param("iou_threshold", Accepts::kFloat),
                               optional_const("score_threshold", Accepts::kFloat),
                               const_param("max_boxes", Accepts::kInteger),
                               optional_const("per_class_suppression", Accepts::kBool)};
constexpr Param kClassify[] = {param("probabilities", Accepts::kFloat),
                               const_param("classes", Accepts::kList)};

// boxes [N, B, 4] and scores [N, B, K]; from ios17 on [N, 4, B] and [N, K, B].
struct Suppression {
  int64_t images = 0, boxes = 0, classes = 0, most = 0;
  bool boxes_last = false;

  Shape shape(int64_t count, int64_t numbers) const {
    return boxes_last ? Shape{images, numbers, count} : Shape{images, count, numbers};
  }
};

Suppression suppression_of(const OpArgs& args) {
  const Shape &boxes = args.shape("boxes"), &scores = args.shape("scores");
  const bool last = args.since(Opset::kIos17);
  args.require(boxes.size() == 3 && scores.size() == 3,
               "non_maximum_suppression.c1: boxes {} or scores {} have not three axes",
               to_string(boxes), to_string(scores));
  const size_t box_axis = last ? 2 : 1, number_axis = last ? 1 : 2;
  Suppression s{boxes[0], boxes[box_axis], scores[number_axis], args.integer("max_boxes"), last};
  args.require(boxes == s.shape(s.boxes, 4) && scores == s.shape(s.boxes, s.classes),
               "non_maximum_suppression.c2: boxes {} and scores {} do not fit: {} are expected",
               to_string(boxes), to_string(scores),
               last ? "[N, 4, B] and [N, K, B]" : "[N, B, 4] and [N, B, K]");
  args.require(s.most >= 1 && s.most <= std::numeric_limits<int32_t>::max(),
               "non_maximum_suppression.c3: max_boxes {} is not from 1 to 2^31-1", s.most);
  args.require(last != args.has("score_threshold"),
               "non_maximum_suppression.c4: score_threshold is a parameter up to ios16, and none "
               "from ios17 on");
  return s;
}

std::vector<Type> infer_suppress(const OpArgs& args) {
  const Suppression s = suppression_of(args);
  args.number("iou_threshold");
  args.boolean("per_class_suppression", false);
  std::vector<Type> types = {Type::tensor(args.type("boxes").dtype, s.shape(s.most, 4)),
                             Type::tensor(args.type("scores").dtype, s.shape(s.most, s.classes)),
                             Type::tensor(DType::kInt32, {s.images, s.most})};
  if (!s.boxes_last) types.push_back(Type::tensor(DType::kInt32, {s.images}));
  return types;
}

struct Box {
  double left, right, top, bottom, area;
};

// How much of two boxes they have in common.
double overlap(const Box& a, const Box& b) {
  const double width = std::min(a.right, b.right) - std::max(a.left, b.left);
  const double height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  const double common = std::max(0.0, width) * std::max(0.0, height);
  return common > 0 ? common / (a.area + b.area - common) : 0;
}

// The boxes of one image with the scores of their best classes.
class Image {
 public:
  Image(const EvalArgs& args, const Suppression& s, int64_t image)
      : boxes_(static_cast<size_t>(s.boxes)) {
    for (int64_t i = 0; i < s.boxes; ++i) read_box(args, s, image, i);
    order_.resize(boxes_.size());
    std::iota(order_.begin(), order_.end(), 0);
    std::stable_sort(order_.begin(), order_.end(),
                     [&](size_t a, size_t b) { return boxes_[a].score > boxes_[b].score; });
  }

  // The boxes that stay, best first; the best one even where none does.
  std::vector<int64_t> chosen(double most_overlap, double least_score, bool per_class,
                              int64_t most) const {
    std::vector<size_t> kept;
    for (size_t i : order_) {
      if (static_cast<int64_t>(kept.size()) == most) break;
      const auto hides = [&](size_t other) {
        return (!per_class || boxes_[other].best == boxes_[i].best) &&
               overlap(boxes_[other].box, boxes_[i].box) > most_overlap;
      };
      if (boxes_[i].score < least_score) continue;
      if (std::none_of(kept.begin(), kept.end(), hides)) kept.push_back(i);
    }
    if (kept.empty()) kept.push_back(order_[0]);
    return {kept.begin(), kept.end()};
  }

 private:
  struct Scored {
    Box box;
    double score;
    int64_t best;
  };

  void read_box(const EvalArgs& args, const Suppression& s, int64_t image, int64_t i) {
    const auto number = [&](const TensorView& view, int64_t count, int64_t n) {
      return view.at(s.boxes_last ? (image * count + n) * s.boxes + i
                                  : (image * s.boxes + i) * count + n);
    };
    const TensorView &boxes = args.in("boxes"), &scores = args.in("scores");
    const double x = number(boxes, 4, 0), y = number(boxes, 4, 1);
    const double width = number(boxes, 4, 2), height = number(boxes, 4, 3);
    Scored scored{{x - width / 2, x + width / 2, y - height / 2, y + height / 2, width * height},
                  number(scores, s.classes, 0),
                  0};
    for (int64_t k = 1; k < s.classes; ++k) {
      const double score = number(scores, s.classes, k);
      if (score > scored.score) scored.score = score, scored.best = k;
    }
    // NaN is no score: it comes last and is below every threshold.
    if (std::isnan(scored.score)) scored.score = -std::numeric_limits<double>::infinity();
    boxes_[static_cast<size_t>(i)] = scored;
  }

  std::vector<Scored> boxes_;
  std::vector<size_t> order_;
};

// Copies what belongs to box `from` of the input to box `to` of the output.
void copy_box(const Suppression& s, const TensorView& in, const TensorView& out, int64_t image,
              int64_t from, int64_t to) {
  const int64_t numbers = s.boxes_last ? in.shape[1] : in.shape[2];
  for (int64_t n = 0; n < numbers; ++n) {
    const int64_t row = image * numbers + n;
    s.boxes_last ? out.set(row * s.most + to, in.at(row * s.boxes + from))
                 : out.set((image * s.most + to) * numbers + n,
                           in.at((image * s.boxes + from) * numbers + n));
  }
}

// What is not filled by a box is 0, and -1 among the indices.
void eval_suppress(const EvalArgs& args) {
  const Suppression s = suppression_of(args);
  for (size_t i = 0; i < 3; ++i) {
    for (int64_t j = 0; j < args.out(i).size(); ++j) args.out(i).set(j, i == 2 ? -1 : 0);
  }
  const double none = -std::numeric_limits<double>::infinity();
  for (int64_t image = 0; image < s.images; ++image) {
    const std::vector<int64_t> chosen =
        Image(args, s, image)
            .chosen(args.number("iou_threshold"), args.number("score_threshold", none),
                    args.boolean("per_class_suppression", false), s.most);
    for (size_t i = 0; i < chosen.size(); ++i) {
      const auto to = static_cast<int64_t>(i);
      copy_box(s, args.in("boxes"), args.out(0), image, chosen[i], to);
      copy_box(s, args.in("scores"), args.out(1), image, chosen[i], to);
      args.out(2).set(image * s.most + to, static_cast<double>(chosen[i]));
    }
    if (!s.boxes_last) args.out(3).set(image, static_cast<double>(chosen.size()));
  }
}

// A label and its probability each; a dictionary is no tensor, so that it ends here.
std::vector<Type> infer_classify(const OpArgs& args) {
  const Type& probabilities = args.type("probabilities");
  const Literal* classes = args.literal("classes");
  args.require(probabilities.dtype == DType::kFp32, "classify.c1: probabilities are {}, not fp32",
               to_string(probabilities));
  const Type& label = classes->type.parts.at(0);
  args.require(label.is_scalar() && (label.dtype == DType::kString || label.dtype == DType::kInt64),
               "classify.c2: classes are of {}, not string or int64", to_string(label));
  const auto count = static_cast<int64_t>(classes->items.size());
  args.require(element_count(probabilities.shape) == count,
               "classify.c3: {} classes for probabilities {}", count, to_string(probabilities));
  Type dictionary;
  dictionary.kind = Type::Kind::kDict;
  dictionary.parts = {label, Type::tensor(DType::kFp64)};
  return {label, dictionary};
}

double flops_suppress(const OpArgs& args) {
  const Suppression s = suppression_of(args);
  return 10.0 * static_cast<double>(s.images) * static_cast<double>(s.boxes) *
         static_cast<double>(std::min(s.boxes, s.most));
}

const OpDef kOps[] = {
    {.name = "non_maximum_suppression",
     .params = kSuppress,
     .infer = infer_suppress,
     .eval = eval_suppress,
     .flops = flops_suppress},
    {.name = "classify", .params = kClassify, .infer = infer_classify},
};

}  // namespace

std::span<const OpDef> detection_ops() { return kOps; }

}  // namespace anemone
