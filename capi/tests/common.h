/* What the tests share. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tensorjump.h>

static int failures;

/* Counts what is not so, and says where. */
#define EXPECT(ok) ((ok) ? (void)0 : (void)(failures++, printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #ok)))
/* A call that must succeed. */
#define OK(call) \
    do { \
        tj_status s_ = (call); \
        if (s_ != TJ_OK) failures++, printf("%s:%d: %s: %d %s\n", __FILE__, __LINE__, #call, (int)s_, tj_error_message()); \
    } while (0)
/* A call that must be refused with this status and a message that says this. */
#define REFUSED(status, said, call) \
    do { \
        tj_status s_ = (call); \
        if (s_ != (status) || !strstr(tj_error_message(), said)) \
            failures++, printf("%s:%d: %s: %d %s\n", __FILE__, __LINE__, #call, (int)s_, tj_error_message()); \
    } while (0)

static int done(const char *name) {
    printf("%s: %s\n", name, failures ? "FAILED" : "passed");
    return failures != 0;
}
