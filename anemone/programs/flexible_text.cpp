#include "anemone/programs/flexible_text.h"

#include <fmt/format.h>

#include <algorithm>

namespace anemone {
namespace {

constexpr const char *kAttribute = "FlexibleShapeInformation", *kDefaults = "DefaultShapes",
                     *kRanges = "RangeDims", *kEnumerated = "EnumeratedShapes";

// --- reading ---

Shape sizes_of(const Literal& literal) {
  Shape sizes;
  if (!literal.tensor) return sizes;
  for (int64_t i = 0; i < literal.tensor->size(); ++i) {
    sizes.push_back(static_cast<int64_t>(literal.tensor->at(i)));
  }
  return sizes;
}

// Calls visit(key, value) for the entries of a dictionary with names as keys.
template <typename Visit>
void for_each_entry(const Literal& dictionary, const Visit& visit) {
  for (size_t i = 0; i + 1 < dictionary.items.size(); i += 2) {
    const std::vector<std::string>& key = dictionary.items[i].strings;
    if (!key.empty()) visit(key[0], dictionary.items[i + 1]);
  }
}

class Reader {
 public:
  explicit Reader(const Function& function) {
    for (Value input : function.inputs) {
      if (!input->type.is_tensor() || is_static(input->type.shape)) continue;
      Feature feature;
      feature.name = input->name;
      feature.type = input->type;
      features_.push_back(std::move(feature));
    }
  }

  void read(const std::string& part, const Literal& content) {
    if (part == kDefaults) read_shapes(content, &Reader::set_default);
    if (part == kRanges) read_ranges(content);
    if (part != kEnumerated) return;
    for_each_entry(content, [&](const std::string&, const Literal& choice) {
      read_shapes(choice, &Reader::add_choice);
    });
  }

  // Those of which the attribute said a shape.
  std::vector<Feature> finish() {
    std::erase_if(features_, [](const Feature& f) { return !is_static(f.type.shape); });
    return std::move(features_);
  }

 private:
  Feature* find(const std::string& name) {
    const auto found = std::find_if(features_.begin(), features_.end(),
                                    [&](const Feature& f) { return f.name == name; });
    return found == features_.end() ? nullptr : &*found;
  }

  void read_shapes(const Literal& shapes, void (*take)(Feature&, Shape)) {
    for_each_entry(shapes, [&](const std::string& name, const Literal& literal) {
      Feature* feature = find(name);
      Shape shape = sizes_of(literal);
      if (feature && shape.size() == feature->type.shape.size()) take(*feature, std::move(shape));
    });
  }
  static void set_default(Feature& feature, Shape shape) { feature.type.shape = std::move(shape); }
  static void add_choice(Feature& feature, Shape shape) {
    feature.enumerated.push_back(std::move(shape));
  }

  void read_ranges(const Literal& ranges) {
    for_each_entry(ranges, [&](const std::string& name, const Literal& list) {
      Feature* feature = find(name);
      if (!feature || list.items.size() != feature->type.shape.size()) return;
      for (const Literal& item : list.items) {
        const Shape bounds = sizes_of(item);
        if (bounds.size() == 2) feature->ranges.emplace_back(bounds[0], bounds[1]);
      }
      if (feature->ranges.size() != list.items.size()) feature->ranges.clear();
    });
  }

  std::vector<Feature> features_;
};

// --- writing ---

Type compound(Type::Kind kind, std::vector<Type> parts) {
  Type type;
  type.kind = kind;
  type.parts = std::move(parts);
  return type;
}

Literal compound(Type type, std::vector<Literal> items) {
  Literal literal;
  literal.type = std::move(type);
  literal.items = std::move(items);
  return literal;
}

Literal list_of(const Shape& sizes) {
  const std::vector<int32_t> numbers(sizes.begin(), sizes.end());
  return Literal::of(Tensor::of<int32_t>({std::ssize(sizes)}, numbers));
}

// Of lists of any rank.
Type shape_type() { return Type::tensor(DType::kInt32, {kUnknownSize}); }
Type name_type() { return Type::tensor(DType::kString); }

Literal dictionary(const Type& value_type, std::vector<Literal> items) {
  return compound(compound(Type::Kind::kDict, {name_type(), value_type}), std::move(items));
}

// (part, content) of the attribute's tuple.
Literal part(const char* name, Literal content) {
  const Type type = compound(Type::Kind::kTuple, {name_type(), content.type});
  std::vector<Literal> items = {Literal::of(std::string(name)), std::move(content)};
  return compound(type, std::move(items));
}

Literal default_shapes(const std::vector<Feature>& inputs) {
  std::vector<Literal> items;
  for (const Feature& input : inputs) {
    items.push_back(Literal::of(input.name));
    items.push_back(list_of(input.type.shape));
  }
  return dictionary(shape_type(), std::move(items));
}

// The compiler counts what has no upper bound as -1 too.
Literal range_dims(const std::vector<Feature>& inputs) {
  const Type list = compound(Type::Kind::kList, {Type::tensor(DType::kInt32, {2})});
  std::vector<Literal> items;
  for (const Feature& input : inputs) {
    if (input.ranges.empty()) continue;
    std::vector<Literal> bounds;
    for (const auto& [lower, upper] : input.ranges) {
      bounds.push_back(Literal::of(
          Tensor::of<int32_t>({2}, {static_cast<int32_t>(lower), static_cast<int32_t>(upper)})));
    }
    items.push_back(Literal::of(input.name));
    items.push_back(compound(list, std::move(bounds)));
  }
  return dictionary(list, std::move(items));
}

// One entry for each choice; inputs with fewer choices keep their last one.
Literal enumerated_shapes(const std::vector<Feature>& inputs) {
  size_t count = 0;
  for (const Feature& input : inputs) count = std::max(count, input.enumerated.size());
  const Type choice_type = compound(Type::Kind::kDict, {name_type(), shape_type()});
  std::vector<Literal> items;
  for (size_t choice = 0; choice < count; ++choice) {
    std::vector<Literal> shapes;
    for (const Feature& input : inputs) {
      if (input.enumerated.empty()) continue;
      shapes.push_back(Literal::of(input.name));
      shapes.push_back(list_of(input.enumerated[std::min(choice, input.enumerated.size() - 1)]));
    }
    items.push_back(Literal::of(fmt::format("{:08x}", choice)));
    items.push_back(compound(choice_type, std::move(shapes)));
  }
  return dictionary(choice_type, std::move(items));
}

std::vector<Feature> open_ones(const Function& function, const std::vector<Feature>& inputs) {
  std::vector<Feature> open;
  for (Value input : function.inputs) {
    if (!input->type.is_tensor() || is_static(input->type.shape)) continue;
    const auto known = std::find_if(inputs.begin(), inputs.end(),
                                    [&](const Feature& f) { return f.name == input->name; });
    if (known != inputs.end() && is_static(known->type.shape)) open.push_back(*known);
  }
  return open;
}

}  // namespace

std::vector<Feature> flexible_inputs(const Function& function) {
  Reader reader(function);
  for (const Attribute& attribute : function.attributes) {
    if (attribute.name != kAttribute) continue;
    for (const Literal& entry : attribute.value.items) {
      const bool is_pair = entry.items.size() == 2 && !entry.items[0].strings.empty();
      if (is_pair) reader.read(entry.items[0].strings[0], entry.items[1]);
    }
  }
  return reader.finish();
}

void set_flexible_inputs(Function& function, const std::vector<Feature>& inputs) {
  std::erase_if(function.attributes, [](const Attribute& a) { return a.name == kAttribute; });
  const std::vector<Feature> open = open_ones(function, inputs);
  if (open.empty()) return;
  std::vector<Literal> parts = {part(kDefaults, default_shapes(open))};
  const auto any = [&](auto has) { return std::any_of(open.begin(), open.end(), has); };
  if (any([](const Feature& f) { return !f.ranges.empty(); })) {
    parts.push_back(part(kRanges, range_dims(open)));
  }
  if (any([](const Feature& f) { return !f.enumerated.empty(); })) {
    parts.push_back(part(kEnumerated, enumerated_shapes(open)));
  }
  std::vector<Type> types;
  for (const Literal& literal : parts) types.push_back(literal.type);
  function.attributes.push_back(
      {kAttribute, compound(compound(Type::Kind::kTuple, std::move(types)), std::move(parts))});
}

}  // namespace anemone
