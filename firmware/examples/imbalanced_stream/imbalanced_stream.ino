/* Learns digits from a stream in which some are rare, and which brings them class by class: first
 * all of one digit, then all of the next. A plain learner forgets the first ones meanwhile.
 *
 * This one keeps 50 pictures, as many of each digit as can be however rare it is (Imbal-OL), and
 * after each new picture learns four of those again. imbal_learn() does all of it.
 *
 * A line of the serial port, at 115200 baud, is the digit (0 to 9, or ? where nobody knows it) and
 * its 8 x 8 pixels from 0 to 16, separated by commas. The answer is what the board took the picture
 * for before. The line "stats" asks how well each digit goes, and how many of it are kept. */
#include <Arduino.h>

#include "src/imbal/imbal.h"

static imbal_state state;               /* all that is learnt, and the pictures that are kept */
static uint8_t picture[IMBAL_FEATURES]; /* its pixels */
static int digit;                       /* what it shows; -1: nobody knows */
static char line[1 + 64 * 3 + 3];       /* ?,16,16,... and CR, LF in the worst case */

/* Takes the line apart; false where it is no picture. */
bool parse() {
    char *at = line;
    const long first = *line == '?' ? -1 : strtol(line, &at, 10);
    if (*line == '?')
        at++;
    else if (at == line || first < 0 || first >= IMBAL_CLASSES)
        return false;
    digit = (int)first;
    for (uint8_t i = 0; i < IMBAL_FEATURES; i++) {
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

/* Of each digit: its recall, which is how many of its pictures were right before they were learnt,
 * of how many that came, and how many are kept. */
void show_stats() {
    const imbal_statistics found = imbal_stats(&state);
    Serial.print(found.right);
    Serial.print(F(" of "));
    Serial.print(found.seen);
    Serial.print(F(" right"));
    for (uint8_t one = 0; one < IMBAL_CLASSES; one++) {
        uint16_t came = 0;
        for (uint8_t taken = 0; taken < IMBAL_CLASSES; taken++)
            came += imbal_confusion(&state, one, taken);
        Serial.print(F("; "));
        Serial.print(one);
        Serial.print(F(": "));
        Serial.print(imbal_confusion(&state, one, one));
        Serial.print('/');
        Serial.print(came);
        Serial.print(F(" (keeps "));
        Serial.print(state.held[one]);
        Serial.print(')');
    }
    Serial.println();
}

void setup() {
    Serial.begin(115200);
    imbal_init(&state);
    Serial.println(F("imbalanced_stream: send a digit and 64 pixels, separated by commas"));
}

void loop() {
    size_t length = Serial.readBytesUntil('\n', line, sizeof line - 1);
    if (length > 0 && line[length - 1] == '\r')
        length--;
    line[length] = '\0';
    if (length == 0)
        return;
    if (strcmp(line, "stats") == 0)
        show_stats();
    else if (parse())
        Serial.println(imbal_learn(&state, picture, digit));
    else
        Serial.println(F("error: send a digit (or ?) and 64 pixels of 0 to 16, or stats"));
}
