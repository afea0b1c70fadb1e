#include "Arduino.h"

#include "mcu.h"

SerialPort Serial;

/* volatile: at 64 MHz the compiler would make a shift of the division, and the programs of two
   boards with one core would differ by the library's 64-bit division. */
static const volatile uint32_t clock_hz = F_CPU;

extern "C" uint32_t micros(void) { return (uint32_t)(mcu_instructions() / (clock_hz / 1000000)); }

extern "C" uint32_t millis(void) { return (uint32_t)(mcu_instructions() / (clock_hz / 1000)); }

extern "C" void delay(uint32_t milliseconds) {
    const uint32_t start = millis();
    while (millis() - start < milliseconds) {
    }
}

void SerialPort::begin(unsigned long) { mcu_serial_begin(); }

int SerialPort::available() { return mcu_serial_available(); }

int SerialPort::read() { return mcu_serial_available() ? mcu_serial_read() : -1; }

size_t SerialPort::readBytesUntil(char end, char *bytes, size_t most) {
    size_t count = 0;
    uint32_t last = millis();
    while (count < most && millis() - last < 1000) {
        if (!mcu_serial_available())
            continue;
        const char byte = (char)mcu_serial_read();
        if (byte == end)
            break;
        bytes[count++] = byte;
        last = millis();
    }
    return count;
}

size_t SerialPort::write(uint8_t byte) {
    mcu_serial_write(byte);
    return 1;
}

size_t SerialPort::write(const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++)
        mcu_serial_write(bytes[i]);
    return count;
}

size_t SerialPort::print(const char *text) { return write((const uint8_t *)text, strlen(text)); }

size_t SerialPort::print(char letter) { return write((uint8_t)letter); }

size_t SerialPort::print(unsigned long number, int base) {
    char digits[33];
    char *first = digits + sizeof digits - 1;
    *first = '\0';
    do {
        const unsigned digit = (unsigned)(number % (unsigned)base);
        *--first = (char)(digit < 10 ? '0' + digit : 'A' + digit - 10);
        number /= (unsigned)base;
    } while (number != 0);
    return print(first);
}

size_t SerialPort::print(long number, int base) {
    if (number >= 0 || base != DEC)
        return print((unsigned long)number, base);
    print('-');
    return 1 + print(0 - (unsigned long)number, base);
}

size_t SerialPort::print(int number, int base) { return print((long)number, base); }

size_t SerialPort::print(unsigned number, int base) { return print((unsigned long)number, base); }

/* As Arduino's cores print it: nan, inf, and ovf for what 32 bits do not hold. */
size_t SerialPort::print(double number, int digits) {
    if (isnan(number))
        return print("nan");
    if (isinf(number))
        return print("inf");
    if (fabs(number) > 4294967040.0)
        return print("ovf");
    size_t count = 0;
    if (number < 0) {
        count += print('-');
        number = -number;
    }
    double half = 0.5;
    for (int i = 0; i < digits; i++)
        half /= 10;
    number += half;
    const unsigned long whole = (unsigned long)number;
    count += print(whole);
    if (digits > 0)
        count += print('.');
    double rest = number - (double)whole;
    for (int i = 0; i < digits; i++) {
        rest *= 10;
        const unsigned digit = (unsigned)rest;
        count += print(digit);
        rest -= digit;
    }
    return count;
}

size_t SerialPort::println() { return print("\r\n"); }

extern "C" int main() {
    mcu_clock_begin();
    setup();
    for (;;)
        loop();
}
