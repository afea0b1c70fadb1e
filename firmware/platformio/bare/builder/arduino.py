"""The framework: setup, loop, Serial and the clock, from arduino/."""

import os

Import("env")  # noqa: F821
env = env  # noqa: F821

core = os.path.join(env.PioPlatform().get_dir(), "arduino")
env.Append(CPPDEFINES=[("ARDUINO", 10819), "MCUGEN_BARE"], CPPPATH=[core, os.path.join(core, "..", "mcu")])
env.Prepend(LIBS=[env.BuildLibrary(os.path.join("$BUILD_DIR", "FrameworkArduino"), core)])
