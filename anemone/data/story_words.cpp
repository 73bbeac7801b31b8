#include "anemone/data/story_plots.h"

namespace anemone {

std::span<const StoryWords> common_story_words() {
  static const StoryWords words[] = {
      {{"color"},
       {{"red"}, {"blue"}, {"green"}, {"yellow"}, {"orange"}, {"purple"}, {"pink"}, {"white"}}},
      {{"parent"}, {{"mom"}, {"dad"}, {"grandma"}, {"grandpa"}}},
      {{"day"}, {{"sunny"}, {"warm"}, {"windy"}, {"bright"}, {"cool"}, {"quiet"}}},
      {{"to", "at"},
       {{"to the park", "at the park"},
        {"to the forest", "in the forest"},
        {"to the river", "by the river"},
        {"to the beach", "at the beach"},
        {"to the garden", "in the garden"},
        {"to the farm", "at the farm"},
        {"to the lake", "by the lake"},
        {"up the hill", "on the hill"}}},
      {{"hobby"},
       {{"sing"},
        {"dance"},
        {"run fast"},
        {"play outside"},
        {"look at the clouds"},
        {"count the stars"},
        {"pick flowers"},
        {"jump in puddles"},
        {"read books"},
        {"tell funny stories"}}},
      {{"home"},
       {{"in a small house"},
        {"near a big forest"},
        {"by a blue lake"},
        {"in a little town"},
        {"on a green hill"},
        {"next to a farm"}}},
      {{"snack"},
       {{"apple"}, {"cookie"}, {"orange"}, {"sweet cake"}, {"banana"}, {"bowl of berries"}}},
  };
  return words;
}

}  // namespace anemone
