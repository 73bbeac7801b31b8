// The fake as AppleNeuralEngine.framework: its classes are there once it is open.
extern "C" void fake_ane_open_neural_engine();

__attribute__((constructor)) static void open_it() { fake_ane_open_neural_engine(); }
