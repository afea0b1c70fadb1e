"""Flags of every AVR program, also of one without a framework: size first, link-time optimised, C11 and C++11."""

Import("env")  # noqa: F821

FOR_SIZE = ["-Os", "-mmcu=$BOARD_MCU", "-flto"]

env.Append(  # noqa: F821
    ASFLAGS=["-mmcu=$BOARD_MCU"],
    ASPPFLAGS=["-x", "assembler-with-cpp"],
    CFLAGS=["-std=gnu11", "-fno-fat-lto-objects"],
    CCFLAGS=[*FOR_SIZE, "-Wall", "-ffunction-sections", "-fdata-sections"],
    CXXFLAGS=["-fno-exceptions", "-fno-threadsafe-statics", "-fpermissive", "-std=gnu++11"],
    CPPDEFINES=[("F_CPU", "$BOARD_F_CPU")],
    LINKFLAGS=[*FOR_SIZE, "-Wl,--gc-sections", "-fuse-linker-plugin"],
    LIBS=["m"],
)
