#include "journal/digest.h"

#include "base/rng.h"

static uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * UINT64_C(0x9fb21c651e98df25);
    return h ^ h >> 32;
}

uint64_t digest_bytes(uint64_t seed, const void *at, size_t len)
{
    const uint8_t *p = at;
    uint64_t h = seed ^ len * UINT64_C(0x9e3779b97f4a7c15), word;
    size_t i = 0;
    for (; i + sizeof(word) <= len; i += sizeof(word)) {
        memcpy(&word, p + i, sizeof(word));
        h = mix(h, word);
    }
    if (i < len) {
        word = 0;
        memcpy(&word, p + i, len - i);
        h = mix(h, word);
    }
    return rng_mix(h);
}

uint64_t digest_frame(uint32_t seq, uint8_t kind, const void *at, size_t len)
{
    return digest_bytes(rng_mix((uint64_t)kind << 32 | seq), at, len);
}

uint64_t digest_row(const char *table, const struct digest_cell *cells, size_t count)
{
    uint64_t h = digest_bytes(count, table, strlen(table));
    for (size_t i = 0; i < count; i++) {
        if (cells[i].text != NULL)
            h = digest_bytes(h, cells[i].text, strlen(cells[i].text));
        else
            h = mix(h, (uint64_t)cells[i].number);
    }
    return rng_mix(h);
}
