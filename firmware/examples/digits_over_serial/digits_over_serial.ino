/* Learns handwritten digits that come over serial, at 115200 baud, one after the other.
 *
 * A line is the digit (0 to 9, or ? where nobody knows it) and its 8 x 8 pixels, row by row, each
 * from 0 (white) to 16 (black): 65 cells, separated by commas. The board first says what it takes
 * the picture for, and then learns what it was. It keeps a learner for each two digits, 45 in all,
 * which vote: that is Opt-OVO, and takes 6 kB of RAM, hence the Mega. The line "stats" asks how
 * well it goes, "state" for all that was learnt. */
#include <Arduino.h>

#include "src/digits/digits.h"

static digits_state state;               /* all that is learnt */
static uint8_t picture[DIGITS_FEATURES]; /* its pixels */
static int digit;                        /* what it shows; -1: nobody knows */
static char line[1 + 64 * 3 + 3];        /* ?,16,16,... and CR, LF in the worst case */

/* Takes the line apart; false where it is no picture. */
bool parse() {
    char *at = line;
    const long first = *line == '?' ? -1 : strtol(line, &at, 10);
    if (*line == '?')
        at++;
    else if (at == line || first < 0 || first >= DIGITS_CLASSES)
        return false;
    digit = (int)first;
    for (uint8_t i = 0; i < DIGITS_FEATURES; i++) {
        const char *const number = at + 1;
        if (*at != ',')
            return false;
        const long pixel = strtol(number, &at, 10);
        if (at == number || pixel < 0 || pixel > 16)
            return false;
        picture[i] = (uint8_t)pixel;
    }
    return *at == '\0';
}

/* How many of all that were learnt were right before. */
void show_accuracy() {
    const digits_statistics found = digits_stats(&state);
    Serial.print(found.right);
    Serial.print(F(" of "));
    Serial.print(found.seen);
    Serial.print(F(" right, "));
    Serial.print(found.seen > 0 ? 100.0 * found.right / found.seen : 0.0, 1);
    Serial.println(F(" %"));
}

/* All that is learnt in hexadecimal digits, for the computer. */
void show_state() {
    const uint8_t *const bytes = (const uint8_t *)&state;
    for (uint16_t i = 0; i < DIGITS_STATE; i++) {
        if (bytes[i] < 16)
            Serial.print('0');
        Serial.print(bytes[i], HEX);
    }
    Serial.println();
}

void setup() {
    Serial.begin(115200);
    digits_init(&state);
    Serial.println(F("digits_over_serial: send a digit and 64 pixels, separated by commas"));
}

void loop() {
    size_t length = Serial.readBytesUntil('\n', line, sizeof line - 1);
    if (length > 0 && line[length - 1] == '\r')
        length--;
    line[length] = '\0';
    if (length == 0)
        return;
    if (strcmp(line, "stats") == 0) {
        show_accuracy();
    } else if (strcmp(line, "state") == 0) {
        show_state();
    } else if (!parse()) {
        Serial.println(F("error: send a digit (or ?) and 64 pixels of 0 to 16, stats or state"));
    } else {
        Serial.print(digits_learn(&state, picture, digit));
        Serial.print(F("  "));
        show_accuracy();
    }
}
