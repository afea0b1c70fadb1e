"""The build of one environment: a program for this computer. Run by SCons."""

from SCons.Script import AlwaysBuild, Default, DefaultEnvironment

env = DefaultEnvironment()

env.Replace(
    AR="gcc-ar",
    CC="gcc",
    CXX="g++",
    RANLIB="gcc-ranlib",
    SIZETOOL=None,
    SIZEPROGREGEXP="",
    SIZEDATAREGEXP="",
)
env.Append(LIBS=["m"])

program = env.BuildProgram()
AlwaysBuild(env.Alias("size", program))
AlwaysBuild(env.Alias("buildprog", program, program))
Default([program, "buildprog"])
