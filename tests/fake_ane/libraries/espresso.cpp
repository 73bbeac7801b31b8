// The fake as a library under the names of Espresso.framework.
#include "anemone/devices/ane/espresso_api.h"
#include "tests/fake_ane/forward.h"

#define ANEMONE_EXPORT(name, parameters) ANEMONE_FORWARD(e5rt_##name, e5rt_##name##_of_fake);
ANEMONE_E5RT_FUNCTIONS(ANEMONE_EXPORT)
ANEMONE_FORWARD(e5rt_get_last_error_message, e5rt_get_last_error_message_of_fake);
