// The fake as a library under the names of libobjc.
#include "tests/fake_ane/forward.h"

#define ANEMONE_EXPORT(name) ANEMONE_FORWARD(name, name##_of_fake)
ANEMONE_EXPORT(objc_getClass);
ANEMONE_EXPORT(sel_registerName);
ANEMONE_EXPORT(objc_msgSend);
ANEMONE_EXPORT(class_getInstanceMethod);
ANEMONE_EXPORT(class_getClassMethod);
ANEMONE_EXPORT(method_getTypeEncoding);
ANEMONE_EXPORT(objc_autoreleasePoolPush);
ANEMONE_EXPORT(objc_autoreleasePoolPop);
ANEMONE_EXPORT(objc_retain);
ANEMONE_EXPORT(objc_release);
ANEMONE_EXPORT(object_getClass);
