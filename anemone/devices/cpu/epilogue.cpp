#include "anemone/devices/cpu/epilogue.h"

#include <algorithm>
#include <limits>
#include <map>
#include <unordered_map>

#include "anemone/devices/cpu/kernels/families.h"
#include "anemone/ir/uses.h"
#include "anemone/ir/walk.h"
#include "anemone/ops/query.h"

namespace anemone {
namespace {

constexpr std::string_view kClip = "clip", kAdd = "add";

struct Limits {
  float low, high;
};

// Of an operation that only limits x, by numbers that are known.
std::optional<Limits> limits_of(const Operation& op) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  static const std::map<std::string_view, Limits> kFixed = {{"relu", {0, kInfinity}},
                                                            {"relu6", {0, 6}}};
  const auto fixed = kFixed.find(op.type);
  if (fixed != kFixed.end()) return fixed->second;
  if (op.type != kClip) return std::nullopt;
  const OpArgs args(op);
  const Limits limits{static_cast<float>(args.number("alpha")),
                      static_cast<float>(args.number("beta"))};
  return limits.low <= limits.high ? std::optional(limits) : std::nullopt;
}

class Fuser {
 public:
  Fuser(Function& function, std::unordered_set<const Operation*>& rounded)
      : function_(function), rounded_(rounded), uses_(function) {}

  void run() {
    for_each_operation(function_, [&](Operation& op) {
      if (is_convolution(op)) fuse(op);
    });
    std::erase_if(function_.operations, [&](const auto& op) { return gone_.contains(op.get()); });
    // A sum reads what may be made after the convolution was.
    std::stable_sort(function_.operations.begin(), function_.operations.end(),
                     [&](const auto& a, const auto& b) { return position(*a) < position(*b); });
  }

 private:
  // Where the operation will stand: a convolution where it makes what others made.
  size_t position(const Operation& op) const {
    const auto moved = moved_.find(&op);
    return moved == moved_.end() ? uses_.position(&op) : moved->second;
  }

  // The operation that alone reads the value; null where there is none, or where a convolution
  // does now.
  Operation* reader_of(Value value) const {
    Operation* reader = uses_.only_reader(value);
    return gone_.contains(reader) ? nullptr : reader;
  }

  // Not a product of matrices whose weights would have to be packed in every run.
  static bool is_worth_it(const Operation& conv) {
    const OpArgs args(conv);
    if (!is_window_conv(args)) return false;
    return !is_matrix_product(args) || Operation::constant(args.operand("weight")) != nullptr;
  }

  void fuse(Operation& conv) {
    if (!is_worth_it(conv)) return;
    if (rounded_.erase(&conv) > 0) set(conv, kRounds, Literal::scalar(true));
    Operation* next = reader_of(conv.outputs[0]);
    if (next && next->type == kAdd && take_sum(conv, *next)) next = reader_of(conv.outputs[0]);
    if (!next) return;
    const auto limits = limits_of(*next);
    if (!limits || OpArgs(*next).value("x") != conv.outputs[0]) return;
    set(conv, kLimits, Literal::of(Tensor::of<float>({2}, {limits->low, limits->high})));
    take_over(conv, *next);
  }

  bool take_sum(Operation& conv, Operation& add) {
    const OpArgs args(add);
    const Value x = args.value("x"), y = args.value("y"), own = conv.outputs[0];
    if (!x || !y || x == y || x->type != own->type || y->type != own->type) return false;
    const Value addend = x == own ? y : x;
    // What is an input may have to be updated in place.
    if (!addend->producer || is_view(*addend->producer)) return false;
    if (!takes_addend(OpArgs(conv))) return false;
    conv.arguments.emplace_back(std::string(kAddend), addend);
    if (rounded_.contains(&add)) set(conv, kRoundsSum, Literal::scalar(true));
    take_over(conv, add);
    return true;
  }

  static void set(Operation& conv, std::string_view name, Literal value) {
    conv.attributes.push_back({std::string(name), std::move(value)});
  }

  // `conv` makes what `op` made, and where it did.
  void take_over(Operation& conv, Operation& op) {
    rounded_.erase(&op);
    std::swap(conv.outputs, op.outputs);
    conv.outputs[0]->producer = &conv;
    op.outputs[0]->producer = &op;
    moved_[&conv] = position(op);
    gone_.insert(&op);
  }

  Function& function_;
  std::unordered_set<const Operation*>& rounded_;
  Uses uses_;
  std::unordered_map<const Operation*, size_t> moved_;
  std::unordered_set<const Operation*> gone_;
};

}  // namespace

bool has_epilogue(const OpArgs& args) {
  const Operation& op = args.op();
  return args.has(kAddend) || op.attribute(kLimits) || op.attribute(kRounds) ||
         op.attribute(kRoundsSum);
}

EpilogueReader::EpilogueReader(const OpArgs& args)
    : bias_(position_of(args.op(), "bias")), addend_(position_of(args.op(), kAddend)) {
  fixed_.rounds = args.op().attribute(kRounds) != nullptr;
  fixed_.rounds_sum = args.op().attribute(kRoundsSum) != nullptr;
  const Literal* limits = args.op().attribute(kLimits);
  fixed_.has_limits = limits != nullptr;
  if (!limits) return;
  fixed_.low = limits->tensor->view().as<float>()[0];
  fixed_.high = limits->tensor->view().as<float>()[1];
}

ConvFinish EpilogueReader::finish(const KernelRun& run) const {
  ConvFinish finish = fixed_;
  if (bias_) finish.bias = run.input(*bias_);
  if (addend_) finish.addend = run.input(*addend_);
  return finish;
}

void fuse_epilogues(Function& function, std::unordered_set<const Operation*>& rounded) {
  Fuser(function, rounded).run();
}

}  // namespace anemone
