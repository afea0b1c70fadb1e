"""The Arduino framework from the system's Arduino AVR core: `$MCUGEN_ARDUINO_AVR`, else where Debian puts it."""

import os
import sys

Import("env")  # noqa: F821
env = env  # noqa: F821

ROOT = os.environ.get("MCUGEN_ARDUINO_AVR") or "/usr/share/arduino/hardware/arduino/avr"
board = env.BoardConfig()
core = os.path.join(ROOT, "cores", board.get("build.core"))
variant = os.path.join(ROOT, "variants", board.get("build.variant"))

if not os.path.isdir(core):
    sys.stderr.write(f"Error: no Arduino AVR core at {ROOT}. Install the package arduino-core-avr\n")
    env.Exit(1)

env.SConscript("bare.py", exports="env")
env.Append(
    CPPDEFINES=[
        ("ARDUINO", 10808),
        "ARDUINO_ARCH_AVR",
        ("DECIMAL_DIG", "__DECIMAL_DIG__"),  # avr-gcc 5.4's float.h has it for C only, the core uses it in C++
    ],
    CPPPATH=[core, variant],
    LIBSOURCE_DIRS=[os.path.join(ROOT, "libraries")],
)

if "build.usb_product" in board:
    vid, pid = board.get("build.hwids")[0]
    env.Append(
        CPPDEFINES=[
            ("USB_VID", vid),
            ("USB_PID", pid),
            ("USB_PRODUCT", env.StringifyMacro(board.get("build.usb_product"))),
            ("USB_MANUFACTURER", env.StringifyMacro(board.get("vendor"))),
        ]
    )

# Assembler sources of the core and of a variant are plain (no LTO): the archive keeps its weak symbols apart.
env.Prepend(LIBS=[env.BuildLibrary(os.path.join("$BUILD_DIR", "FrameworkArduino"), core)])
env.BuildSources(os.path.join("$BUILD_DIR", "FrameworkArduinoVariant"), variant)
