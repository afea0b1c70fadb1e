"""The build of one environment: the system's cross compiler and our start-up code. Run by SCons."""

import os
import sys

from SCons.Script import COMMAND_LINE_TARGETS, AlwaysBuild, Default, DefaultEnvironment

env = DefaultEnvironment()
board = env.BoardConfig()
mcu = os.path.join(env.PioPlatform().get_dir(), "mcu")
prefix = board.get("build.prefix", "")

if not prefix:
    sys.stderr.write(f"Error: no compiler for {board.get('build.mcu')} ({board.get('build.arch')}) is to be had here\n")
    env.Exit(1)

env.Replace(
    AR=prefix + "gcc-ar",
    AS=prefix + "as",
    CC=prefix + "gcc",
    CXX=prefix + "g++",
    LINK=prefix + "gcc",  # there is no C++ library for every core, and nothing here needs one
    GDB=prefix + "gdb",
    OBJCOPY=prefix + "objcopy",
    RANLIB=prefix + "gcc-ranlib",
    SIZETOOL=prefix + "size",
    ARFLAGS=["rcs"],
    PROGSUFFIX=".elf",
    SIZEPROGREGEXP=r"^(?:\.text|\.data)\s+(\d+).*",
    SIZEDATAREGEXP=r"^(?:\.data|\.bss)\s+(\d+).*",
    SIZECHECKCMD="$SIZETOOL -A -d $SOURCES",
    SIZEPRINTCMD="$SIZETOOL -B -d $SOURCES",
)
if env.get("PROGNAME", "program") == "program":
    env.Replace(PROGNAME="firmware")

flags = board.get("build.flags")
env.Append(
    ASPPFLAGS=["-x", "assembler-with-cpp", *flags],
    CFLAGS=["-std=gnu11"],
    CCFLAGS=[*flags, "-Os", "-Wall", "-ffunction-sections", "-fdata-sections", "-fno-common"],
    CXXFLAGS=["-std=gnu++11", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"],
    CPPDEFINES=[("F_CPU", "$BOARD_F_CPU")],
    LINKFLAGS=[*flags, *board.get("build.link"), "-nostartfiles", "-Wl,--gc-sections", "-L" + mcu],
    LIBS=["m", "c", "gcc"],
)
env.Replace(LDSCRIPT_PATH=os.path.join(mcu, board.get("build.script")))
env.BuildSources(os.path.join("$BUILD_DIR", "mcu"), mcu, src_filter=[f"+<{board.get('build.start')}>", "+<mcu.c>"])

elf = None if "nobuild" in COMMAND_LINE_TARGETS else env.BuildProgram()
program = elf or env.File("$BUILD_DIR/${PROGNAME}.elf")


def refuse(target, source, env):
    sys.stderr.write(
        "Error: this platform builds for the simulator, not for the board. PlatformIO's own platform, which it downloads "
        "from its registry, uploads\n"
    )
    return 1


AlwaysBuild(env.Alias("size", elf, env.VerboseAction("$SIZEPRINTCMD", "Calculating size $SOURCE")))
env.AddPlatformTarget("upload", program, [env.VerboseAction(refuse, "Uploading $SOURCE")], "Upload")
AlwaysBuild(env.Alias("buildprog", program, program))
Default([program, "buildprog"])
