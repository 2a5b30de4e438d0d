/* SPDX-License-Identifier: MIT */
/* The table of methods: params by name and by position, types, deadlines, descriptions. */
#include "actors/bridge/methods.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static troupe_error check(const char *name, const char *params, json_t **out, troupe_reason *reason)
{
    const rpc_method *row = method_find(name, strlen(name));
    cr_assert_not_null(row, "%s", name);
    json_t *value = params != NULL ? json_loads(params, 0, NULL) : NULL;
    reason->text[0] = '\0';
    *out = NULL;
    troupe_error error = method_params(row, value, out, reason);
    json_decref(value);
    return error;
}

static void accepts(const char *name, const char *params, const char *expected)
{
    json_t *out;
    troupe_reason reason;
    cr_assert_eq(check(name, params, &out, &reason), TROUPE_OK, "%s %s: %s", name, params,
                 reason.text);
    json_t *wanted = json_loads(expected, 0, NULL);
    cr_assert(json_equal(out, wanted), "%s %s", name, params);
    json_decref(wanted);
    json_decref(out);
}

static void refuses(const char *name, const char *params, const char *word)
{
    json_t *out;
    troupe_reason reason;
    cr_assert_eq(check(name, params, &out, &reason), TROUPE_EPARAMS, "%s %s", name, params);
    cr_assert_not_null(strstr(reason.text, word), "%s %s: \"%s\" does not say \"%s\"", name, params,
                       reason.text, word);
}

Test(methods, params_by_name_are_checked)
{
    accepts("js", "{\"code\":\"1\",\"target\":\"p1:a\"}", "{\"code\":\"1\",\"target\":\"p1:a\"}");
    accepts("pages", NULL, "{}");
    accepts("pages", "{}", "{}");
    accepts("network", "{\"target\":[\"a\",\"b\"],\"limit\":3}",
            "{\"target\":[\"a\",\"b\"],\"limit\":3}");
    accepts("ports.add", "{\"port\":9222}", "{\"port\":9222}");
    accepts("ports.add", "{\"port\":\"host:9222\"}", "{\"port\":\"host:9222\"}");
}

Test(methods, params_by_position_are_named)
{
    accepts("js", "[\"1+1\",\"p1:a\",true]",
            "{\"code\":\"1+1\",\"target\":\"p1:a\",\"await_promise\":true}");
    accepts("navigate", "[\"http://x/\"]", "{\"url\":\"http://x/\"}");
    accepts("cdp", "[\"Page.enable\",{\"a\":1}]",
            "{\"command\":\"Page.enable\",\"params\":{\"a\":1}}");
    accepts("js", "[\"1\",null,false]", "{\"code\":\"1\",\"await_promise\":false}");
    refuses("page", "[1]", "must be string");
    refuses("status", "[1]", "at most 0");
}

Test(methods, null_counts_as_absent)
{
    accepts("page", "{\"target\":null}", "{}");
    refuses("js", "{\"code\":null}", "needs \"code\"");
}

Test(methods, unknown_params_name_the_nearest)
{
    refuses("js", "{\"cod\":\"1\"}", "\"code\"");
    refuses("browsers.launch", "{\"heded\":true}", "\"headed\"");
    refuses("pages", "{\"timeout\":1}", "\"timeout_ms\"");
    refuses("js", "{\"\":1}", "nearest");
}

Test(methods, wrong_types_and_choices_are_refused)
{
    refuses("js", "{\"code\":1}", "\"code\" must be string");
    refuses("navigate", "{\"url\":\"x\",\"wait\":\"idle\"}", "none|load");
    refuses("network", "{\"target\":1}", "string or array");
    refuses("browsers.launch", "{\"count\":1.5}", "integer");
    refuses("js", "{\"code\":\"1\",\"persist\":1}", "boolean");
    refuses("open", "{}", "needs \"url\"");
}

Test(methods, common_members_are_accepted_everywhere)
{
    accepts("status", "{\"epoch\":3,\"target_epoch\":4,\"timeout_ms\":5}",
            "{\"epoch\":3,\"target_epoch\":4,\"timeout_ms\":5}");
    refuses("status", "{\"timeout_ms\":0}", "timeout_ms");
    refuses("status", "{\"timeout_ms\":600001}", "timeout_ms");
    refuses("status", "{\"epoch\":\"x\"}", "integer");
}

static uint32_t timeout_of(const char *name, const char *params)
{
    json_t *value = json_loads(params, 0, NULL);
    uint32_t found = method_timeout_ms(method_find(name, strlen(name)), value);
    json_decref(value);
    return found;
}

Test(methods, deadlines_come_from_the_request_or_the_table)
{
    cr_assert_eq(timeout_of("js", "{}"), 30000);
    cr_assert_eq(timeout_of("browsers.launch", "{}"), 60000);
    cr_assert_eq(timeout_of("js", "{\"timeout_ms\":7}"), 7);
    cr_assert_eq(timeout_of("navigate", "{\"wait\":\"load\"}"), 30000);
}

Test(methods, names_are_found_exactly)
{
    cr_assert_not_null(method_find("js", 2));
    cr_assert_null(method_find("js", 1));
    cr_assert_null(method_find("jsx", 3));
    cr_assert_null(method_find("JS", 2));
    cr_assert_null(method_find("", 0));
}

Test(methods, every_row_is_described_as_json_schema)
{
    json_t *all = method_describe(NULL);
    json_t *list = json_object_get(all, "methods");
    size_t i;
    json_t *row;
    cr_assert_gt(json_array_size(list), 35);
    cr_assert_gt(json_array_size(json_object_get(all, "errors")), 20);
    json_array_foreach(list, i, row)
    {
        const char *name = json_string_value(json_object_get(row, "name"));
        json_t *schema = json_object_get(row, "params");
        cr_assert_not_null(name);
        cr_assert_not_null(json_object_get(row, "summary"), "%s", name);
        cr_assert_str_eq(json_string_value(json_object_get(schema, "type")), "object");
        cr_assert(json_is_object(json_object_get(schema, "properties")));
        cr_assert(json_is_false(json_object_get(schema, "additionalProperties")));
        const char *property;
        json_t *value;
        json_object_foreach(json_object_get(schema, "properties"), property, value)
        {
            cr_assert_not_null(json_object_get(value, "type"), "%s.%s", name, property);
            cr_assert_not_null(json_object_get(value, "description"), "%s.%s", name, property);
        }
    }
    json_decref(all);
}

Test(methods, one_method_can_be_described)
{
    json_t *one = method_describe("open");
    json_t *row = json_array_get(json_object_get(one, "methods"), 0);
    json_t *wait =
        json_object_get(json_object_get(json_object_get(row, "params"), "properties"), "wait");
    cr_assert_eq(json_array_size(json_object_get(one, "methods")), 1);
    cr_assert_str_eq(json_string_value(json_object_get(wait, "default")), "load");
    cr_assert_eq(json_array_size(json_object_get(wait, "enum")), 2);
    json_decref(one);
    cr_assert_null(method_describe("nothing"));
}
