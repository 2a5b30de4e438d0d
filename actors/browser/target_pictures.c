/* SPDX-License-Identifier: MIT */
/*
 * Pictures of a page: RPC screenshot, pdf. The image is passed through as the text Chrome sent.
 *
 * A picture of more than what is seen is taken with a clip in the page's coordinates: full_page by
 * the size of the document, selector by the box of its first element.
 */
#include "actors/json_call.h"
#include "target_state.h"
#include "transport/json_scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SIDE_MAX 16384.0 /* pixels; Chromium draws no larger surface */

/* Answering --------------------------------------------------------------------------------- */

static void answer_picture(target_request *task, json_span data, const char *format)
{
    const troupe_bytes pieces[] = {{(const uint8_t *)"{\"data\":", 8},
                                   {(const uint8_t *)data.data, data.len},
                                   {(const uint8_t *)",\"format\":\"", 11},
                                   {(const uint8_t *)format, strlen(format)},
                                   {(const uint8_t *)"\"}", 2}};
    troupe_reply_json_pieces(task->owner->self, task->caller, pieces, 5);
    target_request_free(task);
}

static const char *format_of(const target_request *task)
{
    const char *format = json_string_value(json_object_get(task->params, "format"));
    return format != NULL ? format : "png";
}

/* Screenshots ------------------------------------------------------------------------------- */

static void on_captured(troupe_actor *self, void *context, troupe_error error,
                        const troupe_envelope *answer)
{
    target_request *task = context;
    json_span result;
    json_span data;
    (void)self;
    if (task->flag) {
        target_tell_chrome(task->owner, target_session_of(task),
                           "Emulation.setDefaultBackgroundColorOverride", NULL);
    }
    if (!target_result_of(task, error, answer, &result)) {
        return;
    }
    if (!json_path(result.data, result.len, "data", &data)) {
        target_task_fault(task, TROUPE_EPROTOCOL, NULL, "the browser's answer holds no picture");
        return;
    }
    target_record_screenshot(task->owner, format_of(task), task->params, data);
    answer_picture(task, data, format_of(task));
}

/* kept: the clip in CSS pixels, or NULL for what is seen. */
static void capture(target_request *task, json_t *result)
{
    (void)result;
    json_t *params = json_pack("{s:s}", "format", format_of(task));
    json_t *quality = json_object_get(task->params, "quality");
    if (quality != NULL) {
        json_object_set(params, "quality", quality);
    }
    if (task->kept != NULL) {
        json_object_set(params, "clip", task->kept);
        json_object_set_new(params, "captureBeyondViewport", json_true());
    }
    target_send_for(task, target_session_of(task), "Page.captureScreenshot", params,
                    target_task_left_ms(task), on_captured);
}

static void prepare(target_request *task)
{
    if (!task->flag) {
        capture(task, NULL);
        return;
    }
    target_task_call(task, "Emulation.setDefaultBackgroundColorOverride",
                     json_pack("{s:{s:i, s:i, s:i, s:i}}", "color", "r", 0, "g", 0, "b", 0, "a", 0),
                     capture);
}

static double number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

/* Take the clip, if Chromium can draw one of that size. */
static void clip(target_request *task, double x, double y, double width, double height)
{
    json_t *given = json_object_get(task->params, "scale");
    double scale = given != NULL ? json_number_value(given) : 1.0;
    if (!(width > 0 && height > 0)) {
        target_task_fault(task, TROUPE_ESTATE, NULL, "what is to be taken has no size");
        return;
    }
    if (ceil(width * scale) > SIDE_MAX || ceil(height * scale) > SIDE_MAX) {
        target_task_fault(task, TROUPE_ELIMIT,
                          json_pack("{s:f, s:f, s:f}", "width", width * scale, "height",
                                    height * scale, "limit", SIDE_MAX),
                          "a picture of %.0f x %.0f pixels: a side may have %.0f", width * scale,
                          height * scale, SIDE_MAX);
        return;
    }
    task->kept = json_pack("{s:f, s:f, s:f, s:f, s:f}", "x", x, "y", y, "width", width, "height",
                           height, "scale", scale);
    prepare(task);
}

static void measured_page(target_request *task, json_t *result)
{
    json_t *size = json_object_get(result, "cssContentSize");
    clip(task, 0, 0, number_of(size, "width"), number_of(size, "height"));
}

static void measured_view(target_request *task, json_t *result)
{
    json_t *view = json_object_get(result, "cssVisualViewport");
    clip(task, number_of(view, "pageX"), number_of(view, "pageY"), number_of(view, "clientWidth"),
         number_of(view, "clientHeight"));
}

static void measured_element(target_request *task, json_t *result)
{
    json_t *box = json_object_get(json_object_get(result, "result"), "value");
    if (json_object_get(result, "exceptionDetails") != NULL) {
        target_task_fault(task, TROUPE_EPARAMS, NULL, "`selector` is not a CSS selector: %s",
                          json_string_value(json_object_get(task->params, "selector")));
    } else if (!json_is_object(box)) {
        target_task_fault(task, TROUPE_ENOTFOUND, NULL, "no element matches %s",
                          json_string_value(json_object_get(task->params, "selector")));
    } else {
        clip(task, number_of(box, "x"), number_of(box, "y"), number_of(box, "width"),
             number_of(box, "height"));
    }
}

/* The selector travels as an argument: nothing a caller writes becomes code. */
static void measure_element(target_request *task, const char *selector)
{
    json_t *quoted = json_string(selector);
    char *text = json_dumps(quoted, JSON_ENCODE_ANY);
    json_decref(quoted);
    json_t *code = json_sprintf("((selector) => { const e = document.querySelector(selector);"
                                " if (!e) return null; e.scrollIntoView({block: 'nearest', inline: "
                                "'nearest', behavior: 'instant'});"
                                " const r = e.getBoundingClientRect(); return {x: r.x + scrollX, "
                                "y: r.y + scrollY, width: r.width, height: r.height}; })(%s)",
                                text != NULL ? text : "null");
    free(text);
    target_task_call(task, "Runtime.evaluate",
                     json_pack("{s:o, s:b}", "expression", code, "returnByValue", true),
                     measured_element);
}

static bool clip_given(target_request *task, json_t *given)
{
    static const char *const members[] = {"x", "y", "width", "height"};
    for (size_t i = 0; i < 4; i++) {
        if (!json_is_number(json_object_get(given, members[i]))) {
            target_task_fault(task, TROUPE_EPARAMS, NULL, "`clip` needs a number `%s`", members[i]);
            return false;
        }
    }
    return true;
}

static const char *flaw_of(json_t *params)
{
    json_t *quality = json_object_get(params, "quality");
    json_t *scale = json_object_get(params, "scale");
    const char *format = json_string_value(json_object_get(params, "format"));
    json_int_t value = json_integer_value(quality);
    if (quality != NULL && (value < 0 || value > 100)) {
        return "`quality` must be 0 to 100";
    }
    if (quality != NULL && (format == NULL || strcmp(format, "png") == 0)) {
        return "`quality` is of jpeg and webp";
    }
    if (scale != NULL && !(json_number_value(scale) > 0 && json_number_value(scale) <= 8)) {
        return "`scale` must be more than 0, and at most 8";
    }
    if (json_is_true(json_object_get(params, "full_page")) +
            (json_object_get(params, "selector") != NULL) +
            (json_object_get(params, "clip") != NULL) >
        1) {
        return "only one of `full_page`, `selector` and `clip`";
    }
    return NULL;
}

static void run_screenshot(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    const char *flaw = flaw_of(params);
    if (flaw != NULL) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL, "%s", flaw);
        return;
    }
    target_request *task = target_task_start(state, caller, params, timeout_ms);
    if (task == NULL) {
        return;
    }
    const char *selector = json_string_value(json_object_get(params, "selector"));
    json_t *given = json_object_get(params, "clip");
    task->flag = target_flag_of(params, "omit_background", false);
    if (selector != NULL) {
        measure_element(task, selector);
    } else if (given != NULL) {
        if (clip_given(task, given)) {
            clip(task, number_of(given, "x"), number_of(given, "y"), number_of(given, "width"),
                 number_of(given, "height"));
        }
    } else if (target_flag_of(params, "full_page", false)) {
        target_task_call(task, "Page.getLayoutMetrics", NULL, measured_page);
    } else if (json_object_get(params, "scale") != NULL) {
        target_task_call(task, "Page.getLayoutMetrics", NULL, measured_view);
    } else {
        prepare(task);
    }
}

/* PDF --------------------------------------------------------------------------------------- */

static const struct paper {
    const char *name;
    double width, height; /* inches */
} papers[] = {{"letter", 8.5, 11},  {"legal", 8.5, 14},    {"tabloid", 11, 17},
              {"a3", 11.69, 16.54}, {"a4", 8.268, 11.693}, {"a5", 5.83, 8.27}};

static void on_printed(troupe_actor *self, void *context, troupe_error error,
                       const troupe_envelope *answer)
{
    target_request *task = context;
    json_span result;
    json_span data;
    (void)self;
    if (!target_result_of(task, error, answer, &result)) {
        return;
    }
    if (!json_path(result.data, result.len, "data", &data)) {
        target_task_fault(task, TROUPE_EPROTOCOL, NULL, "the browser's answer holds no document");
        return;
    }
    answer_picture(task, data, "pdf");
}

static json_t *pdf_params(json_t *params)
{
    static const char *const names[][2] = {{"landscape", "landscape"},
                                           {"background", "printBackground"},
                                           {"scale", "scale"},
                                           {"width", "paperWidth"},
                                           {"height", "paperHeight"},
                                           {"margin_top", "marginTop"},
                                           {"margin_bottom", "marginBottom"},
                                           {"margin_left", "marginLeft"},
                                           {"margin_right", "marginRight"},
                                           {"pages", "pageRanges"},
                                           {"header", "headerTemplate"},
                                           {"footer", "footerTemplate"},
                                           {"css_page_size", "preferCSSPageSize"},
                                           {"tagged", "generateTaggedPDF"},
                                           {"outline", "generateDocumentOutline"}};
    json_t *chrome = json_object();
    const char *paper = json_string_value(json_object_get(params, "paper"));
    for (size_t i = 0; paper != NULL && i < sizeof papers / sizeof *papers; i++) {
        if (strcmp(paper, papers[i].name) == 0) {
            json_object_set_new(chrome, "paperWidth", json_real(papers[i].width));
            json_object_set_new(chrome, "paperHeight", json_real(papers[i].height));
        }
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        json_t *value = json_object_get(params, names[i][0]);
        if (value != NULL) {
            json_object_set(chrome, names[i][1], value);
        }
    }
    if (json_object_get(params, "header") != NULL || json_object_get(params, "footer") != NULL) {
        json_object_set_new(chrome, "displayHeaderFooter", json_true());
    }
    return chrome;
}

static void run_pdf(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms)
{
    target_request *task = target_task_start(state, caller, params, timeout_ms);
    if (task != NULL) {
        target_send_for(task, target_session_of(task), "Page.printToPDF", pdf_params(params),
                        timeout_ms, on_printed);
    }
}

const target_method_row target_methods_pictures[] = {
    {"screenshot", run_screenshot, false, false},
    {"pdf", run_pdf, false, false},
    {0},
};
