#ifndef LOAD_LAB_TEST_H
#define LOAD_LAB_TEST_H

/* For the tests of load and stub: both on one loop, and the records that came of it. Not linked
 * into the program. */

#include "journal/recorder.h"
#include "net/raw_peer_test.h"

#define LAB_RECORDS 4096
#define LAB_NAMES 256

struct lab {
    struct loop *loop;
    struct recorder *recorder;
    struct request_record records[LAB_RECORDS];
    size_t record_count;
    char names[LAB_NAMES][64];
};

static inline void lab_init(struct lab *lab)
{
    struct error err = {0};
    memset(lab, 0, sizeof(*lab));
    assert_true(loop_new(&lab->loop, &err));
    lab->recorder = recorder_new(-1, 0);
}

static inline void lab_release(struct lab *lab)
{
    loop_settle(lab->loop);
    loop_free(lab->loop);
    recorder_free(lab->recorder);
}

static inline bool lab_on_frame(void *cookie, const struct frame *frame, struct bytes body,
                                struct error *err)
{
    struct lab *lab = cookie;
    (void)err;
    if (frame->kind == RECORD_NAME) {
        uint32_t id;
        memcpy(&id, body.at, sizeof(id));
        assert_true(id < LAB_NAMES);
        snprintf(lab->names[id], sizeof(lab->names[id]), "%.*s", (int)(body.len - sizeof(id)),
                 (const char *)body.at + sizeof(id));
    } else {
        assert_int_equal(frame->kind, RECORD_REQUEST);
        assert_true(lab->record_count < LAB_RECORDS);
        assert_int_equal(body.len, sizeof(lab->records[0]));
        memcpy(&lab->records[lab->record_count++], body.at, body.len);
    }
    return true;
}

/* Moves what was recorded so far into ${records}. */
static inline void lab_read(struct lab *lab)
{
    struct buffer bytes;
    struct frame_reader reader;
    struct error err = {0};
    buffer_init(&bytes, SIZE_MAX / 2);
    frame_reader_init(&reader, lab_on_frame, lab);
    recorder_take(lab->recorder, &bytes);
    assert_true(frame_reader_feed(&reader, buffer_view(&bytes), &err));
    frame_reader_release(&reader);
    buffer_release(&bytes);
}

static inline const char *lab_name(const struct lab *lab, uint32_t id)
{
    return lab->names[id];
}

#endif
