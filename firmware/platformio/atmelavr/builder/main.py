"""The build of one environment: the system's avr-gcc, its sizes and the upload through avrdude. Run by SCons."""

from platformio.public import list_serial_ports
from SCons.Script import COMMAND_LINE_TARGETS, AlwaysBuild, Builder, Default, DefaultEnvironment

BOOTLOADERS = ("arduino", "wiring", "avr109")  # they cannot erase the chip, so avrdude must not ask them to (-D)

env = DefaultEnvironment()

env.Replace(
    AR="avr-gcc-ar",
    AS="avr-as",
    CC="avr-gcc",
    CXX="avr-g++",
    GDB="avr-gdb",
    OBJCOPY="avr-objcopy",
    RANLIB="avr-gcc-ranlib",
    SIZETOOL="avr-size",
    ARFLAGS=["rcs"],
    PROGSUFFIX=".elf",
    SIZEPROGREGEXP=r"^(?:\.text|\.data|\.rodata|\.bootloader)\s+(\d+).*",
    SIZEDATAREGEXP=r"^(?:\.data|\.bss|\.noinit)\s+(\d+).*",
    SIZEEEPROMREGEXP=r"^(?:\.eeprom)\s+(\d+).*",
    SIZECHECKCMD="$SIZETOOL -A -d $SOURCES",
    SIZEPRINTCMD="$SIZETOOL --mcu=$BOARD_MCU -C -d $SOURCES",
    UPLOADER="avrdude",
    UPLOADERFLAGS=["-p", "$BOARD_MCU", "-c", "$UPLOAD_PROTOCOL"],
    UPLOADCMD="$UPLOADER $UPLOADERFLAGS -U flash:w:$SOURCES:i",
)
if env.get("PROGNAME", "program") == "program":
    env.Replace(PROGNAME="firmware")

env.Append(
    BUILDERS={
        "ElfToHex": Builder(
            action=env.VerboseAction("$OBJCOPY -O ihex -R .eeprom $SOURCES $TARGET", "Building $TARGET"),
            suffix=".hex",
        )
    }
)


def before_upload(target, source, env):
    """Find the port, and bring a board without a reset line (Leonardo) into its bootloader."""
    upload = env.BoardConfig().get("upload", {})
    if env.subst("$UPLOAD_PROTOCOL") in BOOTLOADERS:
        env.Append(UPLOADERFLAGS=["-D"])
    if env.subst("$UPLOAD_SPEED"):
        env.Append(UPLOADERFLAGS=["-b", "$UPLOAD_SPEED"])
    if not upload.get("require_upload_port"):
        return
    env.AutodetectUploadPort()
    ports_before = list_serial_ports()
    if upload.get("use_1200bps_touch"):
        env.TouchSerialPort("$UPLOAD_PORT", 1200)
    if upload.get("wait_for_upload_port"):
        env.Replace(UPLOAD_PORT=env.WaitForNewSerialPort(ports_before))
    env.Append(UPLOADERFLAGS=["-P", '"$UPLOAD_PORT"'])


if not env.get("PIOFRAMEWORK"):
    env.SConscript("bare.py", exports="env")

elf = None if "nobuild" in COMMAND_LINE_TARGETS else env.BuildProgram()
hex_file = env.ElfToHex("$BUILD_DIR/${PROGNAME}", elf) if elf else env.File("$BUILD_DIR/${PROGNAME}.hex")

AlwaysBuild(env.Alias("size", elf, env.VerboseAction("$SIZEPRINTCMD", "Calculating size $SOURCE")))
upload_actions = [
    env.VerboseAction(before_upload, "Looking for upload port..."),
    env.VerboseAction("$UPLOADCMD", "Uploading $SOURCE"),
]
env.AddPlatformTarget("upload", hex_file, upload_actions, "Upload")
AlwaysBuild(env.Alias("buildprog", hex_file, hex_file))
Default([hex_file, "buildprog"])
