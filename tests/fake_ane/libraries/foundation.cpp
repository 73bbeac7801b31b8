// The fake as Foundation.framework, of which nothing is called: it must only be open.
extern "C" void fake_ane_open_foundation();

__attribute__((constructor)) static void open_it() { fake_ane_open_foundation(); }
