"""Names that can stand in C: which words are taken, by the language, by the Arduino core and by header files."""

from __future__ import annotations

import re
import unicodedata

from mcugen.diagnostics import error

MAX_NAME = 40  # characters; C99 tells external names apart by 31, and `_predict_proba` still reads well behind 40


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


KEYWORDS = _words(
    """
    auto break case char const continue default do double else enum extern float for goto if inline int long register
    restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
    alignas alignof and and_eq asm bitand bitor bool catch char8_t char16_t char32_t class co_await co_return co_yield
    compl concept const_cast consteval constexpr constinit decltype delete dynamic_cast explicit export false friend
    mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public reinterpret_cast
    requires static_assert static_cast template this thread_local throw true try typeid typename using virtual wchar_t
    xor xor_eq final import module override
    complex imaginary noreturn typeof typeof_unqual
    """
)  # C99, C11, C23 and C++20 with its alternative tokens and contextual keywords

MACROS = _words(
    """
    HIGH LOW INPUT OUTPUT INPUT_PULLUP INPUT_PULLDOWN LED_BUILTIN F PI HALF_PI TWO_PI DEG_TO_RAD RAD_TO_DEG EULER
    SERIAL DISPLAY LSBFIRST MSBFIRST CHANGE FALLING RISING DEFAULT EXTERNAL INTERNAL PROGMEM PSTR DEC HEX OCT BIN
    NULL NAN INFINITY EOF RAND_MAX ARDUINO F_CPU NOT_A_PIN NOT_ON_TIMER A0 A1 A2 A3 A4 A5 A6 A7 SDA SCL SS MOSI MISO SCK
    DEBUG NDEBUG B0 B1 B00 B01 SREG
    """
)  # macros of the Arduino cores and the C library; refused in any case, for the name is also written in capitals

CORE = _words(
    """
    setup loop main yield init initVariant serialEvent serialEventRun Serial Serial1 Serial2 Serial3 SerialUSB Print
    Printable Stream String HardwareSerial USBCON Keyboard Mouse Wire SPI EEPROM Servo byte word boolean
    pinMode digitalRead digitalWrite analogRead analogWrite analogReference tone noTone pulseIn pulseInLong shiftIn
    shiftOut delay delayMicroseconds millis micros attachInterrupt detachInterrupt interrupts noInterrupts sei cli
    map min max abs round sq sqrt pow constrain radians degrees random randomSeed bit bitRead bitSet bitClear bitWrite
    lowByte highByte makeWord isAlpha isDigit isSpace sin cos tan exp log floor ceil fabs fmod atan atan2
    int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t size_t ptrdiff_t intptr_t uintptr_t std
    malloc free calloc realloc memcpy memset memmove strlen strcpy strcmp printf puts abort exit atoi atof rand signal
    """
)

HEADERS = _words(
    """
    assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg stdatomic
    stdbool stddef stdint stdio stdlib stdnoreturn string strings tgmath threads time uchar unistd wchar wctype new
    alloca malloc memory sched semaphore task queue list timers
    arduino binary client hardwareserial hardwareserial_private ipaddress pins_arduino plugguable_usb pluggableusb
    print printable server stream udp usbapi usbcore usbdesc wcharacter wiring wiring_private wstring wmath variant
    spi wire eeprom servo keyboard mouse softwareserial ethernet wifi sd tft lcd liquidcrystal stepper firmata
    """
)  # in small letters: `<name>.h` would stand in front of these on the include path

_TRANSLITERATED = {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "oe", "å": "aa", "œ": "oe", "ł": "l"}
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z", re.ASCII)


def is_identifier(text: str) -> bool:
    """Whether C and C++ both take the text as an identifier: ASCII, and no keyword of either."""
    return bool(_IDENTIFIER.match(text)) and text not in KEYWORDS


def check_name(name: str) -> str:
    """The name itself where it can be a model's: prefix of every C symbol, file name, library name. E0111 where not."""
    if not isinstance(name, str):
        raise error("E0111", f"{name!r} cannot be the model's name: it is no text", help="give it as text: 'model'")
    problem = _problem(name)
    if problem:
        raise error("E0111", f"'{name}' cannot be the model's name: {problem}", help=f"try --name {suggest_name(name)}")
    return name


def suggest_name(text: str) -> str:
    """A usable name near to any text: 'größe' → 'groesse', '3d' → 'm_3d', 'class' → 'class_model'."""
    plain = "".join(_ascii(letter) for letter in unicodedata.normalize("NFC", text))
    words = re.sub(r"[^A-Za-z0-9]+", "_", plain).strip("_") or "model"
    started = words if words[0].isalpha() else f"m_{words}"
    short = started[: MAX_NAME - len("_model")].rstrip("_")
    return next(name for name in (started, f"{short}_model", f"my_{short}") if _problem(name) is None)


def _ascii(letter: str) -> str:
    small = _TRANSLITERATED.get(letter.lower())
    if small:
        return small if letter.islower() else small.capitalize()
    return unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode() or "_"


def _problem(name: str) -> str | None:
    if not _IDENTIFIER.match(name):
        return "C takes ASCII letters, digits and underscores, not beginning with a digit"
    if name.startswith("_") or name.endswith("_") or "__" in name:
        return "C++ keeps names with leading or double underscores for itself"
    if len(name) > MAX_NAME:
        return f"it has {len(name)} characters, and {MAX_NAME} are the most"
    return _taken(name)


def _taken(name: str) -> str | None:
    if name in KEYWORDS:
        return "it is a keyword of C or C++"
    if name in CORE or name.upper() in MACROS:
        return "the C library or the Arduino core uses it"
    if name.lower().startswith("arduino"):
        return "library names that begin with Arduino are kept for Arduino's own"
    if name.lower() == "mcugen" or name.lower().startswith("mcugen_"):
        return "names that begin with mcugen are those of the C that comes with every sketch"
    if name.lower() in HEADERS:
        return f"{name}.h would hide a header of the C library or the Arduino core"
    return None
