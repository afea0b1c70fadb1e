/* The part of Arduino's interface that a generated sketch uses, for bare-metal programs in QEMU. */
#ifndef Arduino_h
#define Arduino_h

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PROGMEM
#define F(text) (text)
#define DEC 10
#define HEX 16
#define BIN 2

#ifdef __cplusplus
extern "C" {
#endif

void setup(void);
void loop(void);

/* The time since reset at one instruction a cycle of F_CPU. */
uint32_t micros(void);
uint32_t millis(void);
void delay(uint32_t milliseconds);

#ifdef __cplusplus
}

/* The simulated board's first UART. */
class SerialPort {
  public:
    void begin(unsigned long baud);
    int available();
    int read();
    /* Until `end`, which is taken and left out, or until nothing has come for a second. */
    size_t readBytesUntil(char end, char *bytes, size_t most);
    void flush() {}
    explicit operator bool() const { return true; }

    size_t write(uint8_t byte);
    size_t write(const uint8_t *bytes, size_t count);
    size_t print(const char *text);
    size_t print(char letter);
    size_t print(int number, int base = DEC);
    size_t print(unsigned number, int base = DEC);
    size_t print(long number, int base = DEC);
    size_t print(unsigned long number, int base = DEC);
    size_t print(double number, int digits = 2);

    size_t println();
    template <typename T> size_t println(T value) {
        const size_t count = print(value);
        return count + println();
    }
    template <typename T> size_t println(T value, int how) {
        const size_t count = print(value, how);
        return count + println();
    }
};

extern SerialPort Serial;
#endif

#endif
