#include "faults/codes.h"

#include <stddef.h>

const char *const codes_h2[CODES_H2 + 1] = {
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
    NULL,
};

#define ALERTS(ALERT) \
    ALERT(0, close_notify) \
    ALERT(10, unexpected_message) \
    ALERT(20, bad_record_mac) \
    ALERT(22, record_overflow) \
    ALERT(40, handshake_failure) \
    ALERT(42, bad_certificate) \
    ALERT(43, unsupported_certificate) \
    ALERT(44, certificate_revoked) \
    ALERT(45, certificate_expired) \
    ALERT(46, certificate_unknown) \
    ALERT(47, illegal_parameter) \
    ALERT(48, unknown_ca) \
    ALERT(49, access_denied) \
    ALERT(50, decode_error) \
    ALERT(51, decrypt_error) \
    ALERT(70, protocol_version) \
    ALERT(71, insufficient_security) \
    ALERT(80, internal_error) \
    ALERT(86, inappropriate_fallback) \
    ALERT(90, user_canceled) \
    ALERT(109, missing_extension) \
    ALERT(110, unsupported_extension) \
    ALERT(112, unrecognized_name) \
    ALERT(113, bad_certificate_status_response) \
    ALERT(115, unknown_psk_identity) \
    ALERT(116, certificate_required) \
    ALERT(120, no_application_protocol)

#define NUMBER(number, name) number,
#define WORD(number, name) #name,
const uint8_t codes_alert_numbers[CODES_ALERTS] = {ALERTS(NUMBER)};
const char *const codes_alert_words[CODES_ALERTS + 1] = {ALERTS(WORD) NULL};
