/* Learns to tell three kinds of iris apart from the readings of a sensor, one by one.
 *
 * A reading is four whole numbers. Where somebody knows what was measured, the board first answers
 * what it takes the reading for, and then learns what it was. Where nobody knows, it only answers.
 *
 * The sensor is read in one place, read_sensor(). Here its readings come over serial, at 115200
 * baud, a line each: the kind (0, 1, 2, or ? where it is unknown) and the numbers, as in
 * 0,510,350,140,20. Built with -DSENSOR_PINS it reads four sensors at the pins A0 to A3 once a
 * second, and learns from whoever types 0, 1 or 2 meanwhile. */
#include <Arduino.h>

#include "src/iris/iris.h"

static iris_state state;               /* all that is learnt: 80 bytes */
static int16_t reading[IRIS_FEATURES]; /* what the sensor says */
static int kind;                       /* what was measured; -1: nobody knows */

#ifdef SENSOR_PINS

bool read_sensor() {
    delay(1000);
    for (uint8_t i = 0; i < IRIS_FEATURES; i++)
        reading[i] = (int16_t)analogRead(A0 + i);
    kind = -1;
    while (Serial.available() > 0) {
        const char typed = (char)Serial.read();
        if (typed >= '0' && typed < '0' + IRIS_CLASSES)
            kind = typed - '0';
    }
    return true;
}

#else

/* Takes a line apart; false where it is no reading. */
bool parse(const char *line) {
    char *at = (char *)line;
    const long first = *line == '?' ? -1 : strtol(line, &at, 10);
    if (*line == '?')
        at++;
    else if (at == line || first < 0 || first >= IRIS_CLASSES)
        return false;
    kind = (int)first;
    for (uint8_t i = 0; i < IRIS_FEATURES; i++) {
        const char *const number = at + 1;
        if (*at != ',')
            return false;
        const long value = strtol(number, &at, 10);
        if (at == number || value < INT16_MIN || value > INT16_MAX)
            return false;
        reading[i] = (int16_t)value;
    }
    return *at == '\0';
}

void show_stats() {
    const iris_statistics found = iris_stats(&state);
    Serial.print(found.right);
    Serial.print(F(" of "));
    Serial.print(found.seen);
    Serial.println(F(" were right before they were learnt"));
}

/* Waits for a line; one that is no reading is answered here. */
bool read_sensor() {
    static char line[48];
    size_t length = Serial.readBytesUntil('\n', line, sizeof line - 1);
    if (length > 0 && line[length - 1] == '\r')
        length--;
    line[length] = '\0';
    if (length == 0)
        return false;
    if (strcmp(line, "stats") == 0) {
        show_stats();
        return false;
    }
    if (!parse(line)) {
        Serial.println(F("error: send a kind (0 to 2, or ?) and 4 whole numbers, or stats"));
        return false;
    }
    return true;
}

#endif

void setup() {
    Serial.begin(115200);
    iris_init(&state);
    Serial.println(F("live_sensor: send a kind and 4 numbers, separated by commas"));
}

void loop() {
    if (!read_sensor())
        return;
    const int taken = iris_learn(&state, reading, kind);
    char name[IRIS_LABEL_SIZE];
    Serial.print(taken);
    Serial.print(' ');
    Serial.print(iris_class(taken, name));
    if (iris_drift(&state))
        Serial.print(F(" (errors have become more frequent: is the sensor in order?)"));
    Serial.println();
}
