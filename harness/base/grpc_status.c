#include "base/grpc_status.h"

static const char *const names[] = {
#define GRPC_STATUS(number, name) [number] = (name),
#include "base/grpc_status.def"
#undef GRPC_STATUS
    NULL,
};
#define NAMES (COUNT_OF(names) - 1)

const char *grpc_status_name(unsigned status)
{
    return status < NAMES ? names[status] : NULL;
}

const char *const *grpc_status_names(void)
{
    return names;
}

bool grpc_status_parse(struct bytes text, unsigned *ret)
{
    uint64_t number = 0;
    if (bytes_to_u64(text, &number)) {
        *ret = (unsigned)number;
        return number < NAMES;
    }
    for (unsigned i = 0; i < NAMES; i++) {
        if (bytes_equal_nocase(text, bytes_of(names[i]))) {
            *ret = i;
            return true;
        }
    }
    return false;
}
