#include <gtest/gtest.h>
#include "anemone/text/parser.h"
#include "anemone/text/printer.h"
namespace anemone {
TEST(Smoke, X) { EXPECT_THROW(parse_mil("func main(tensor<fp17, [2]> x) {}"), Error); }
}
