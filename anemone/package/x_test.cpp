#include <gtest/gtest.h>
namespace anemone {
}
