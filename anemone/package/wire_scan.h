// Finds what a model file holds beyond the fields that we know, before protobuf reads it.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace google::protobuf {
class Descriptor;
}

namespace anemone {

// The fields of a serialised `message` that its descriptor does not have, as paths:
// "description.input.type.field 9", each once. protobuf 3.21 keeps unknown fields of messages but
// drops those inside entries of maps without a word, which is why this looks at the bytes.
// At most `most` are listed. Bytes that are no message of this kind end the scan where they stand;
// parsing them says what is wrong.
std::vector<std::string> unknown_fields(std::span<const std::byte> bytes,
                                        const google::protobuf::Descriptor& message,
                                        size_t most = 8);

}  // namespace anemone
