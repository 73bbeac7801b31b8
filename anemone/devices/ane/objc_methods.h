// Whether the classes of this system have the methods that we would call, with the types that we
// would call them with.
#pragma once

#include "anemone/devices/ane/objc_api.h"

namespace anemone {

// Throws Error(kInvalidInput) that names the class or the method that is missing or another.
void require_method(const ObjcApi& api, const AneMethod& wanted);

// Whether an object, of whatever class it turned out to be, takes a message of this type.
bool answers_to(const ObjcApi& api, ObjcId object, const char* selector, const char* encoding);

}  // namespace anemone
