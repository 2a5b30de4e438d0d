/* SPDX-License-Identifier: MIT */
#include "actors/json_patch.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* A random object without nulls. */
static json_t *some_value(int depth)
{
    switch (rand() % (depth > 0 ? 6 : 3)) {
    case 0:
        return json_integer(rand() % 4);
    case 1:
        return json_string(rand() % 2 == 0 ? "a" : "b");
    case 2:
        return json_boolean(rand() % 2);
    case 3: {
        json_t *list = json_array();
        for (int i = rand() % 3; i > 0; i--) {
            json_array_append_new(list, some_value(depth - 1));
        }
        return list;
    }
    default: {
        json_t *object = json_object();
        for (int i = rand() % 5; i > 0; i--) {
            char name[2] = {(char)('a' + rand() % 5), '\0'};
            json_object_set_new(object, name, some_value(depth - 1));
        }
        return object;
    }
    }
}

static json_t *some_object(void)
{
    json_t *object = json_object();
    for (int i = rand() % 6; i > 0; i--) {
        char name[2] = {(char)('a' + rand() % 6), '\0'};
        json_object_set_new(object, name, some_value(3));
    }
    return object;
}

Test(json_patch, patches_lead_from_each_state_to_the_next)
{
    const char *given = getenv("TROUPE_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    fprintf(stderr, "seed %u\n", seed);
    srand(seed);
    json_t *state = json_object();
    json_t *copy = json_object();
    for (int i = 0; i < 5000; i++) {
        json_t *next = some_object();
        json_t *patch = json_patch_diff(state, next);
        cr_assert_eq(json_object_size(patch) == 0, json_equal(state, next) != 0);
        json_patch_apply(copy, patch);
        cr_assert(json_equal(copy, next), "seed %u, step %d", seed, i);
        json_decref(patch);
        json_decref(state);
        state = next;
    }
    json_decref(state);
    json_decref(copy);
}

Test(json_patch, examples_of_the_standard)
{
    static const char *const cases[][3] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *object = json_loads(cases[i][0], 0, NULL);
        json_t *patch = json_loads(cases[i][1], 0, NULL);
        json_t *wanted = json_loads(cases[i][2], 0, NULL);
        json_patch_apply(object, patch);
        cr_expect(json_equal(object, wanted), "case %zu", i);
        json_decref(object);
        json_decref(patch);
        json_decref(wanted);
    }
}

Test(json_patch, nulls_are_taken_out)
{
    json_t *object = json_loads("{\"a\":null,\"b\":{\"c\":null,\"d\":1},\"e\":[null]}", 0, NULL);
    json_t *wanted = json_loads("{\"b\":{\"d\":1},\"e\":[null]}", 0, NULL);
    json_patch_clean(object);
    cr_expect(json_equal(object, wanted));
    json_decref(object);
    json_decref(wanted);
}
