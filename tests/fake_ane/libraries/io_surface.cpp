// The fake as a library under the names of IOSurface.framework.
#include "tests/fake_ane/forward.h"

#define ANEMONE_EXPORT(name) ANEMONE_FORWARD(name, name##_of_fake)
ANEMONE_EXPORT(IOSurfaceCreate);
ANEMONE_EXPORT(IOSurfaceLock);
ANEMONE_EXPORT(IOSurfaceUnlock);
ANEMONE_EXPORT(IOSurfaceGetBaseAddress);
ANEMONE_EXPORT(IOSurfaceGetAllocSize);
