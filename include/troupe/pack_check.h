/* SPDX-License-Identifier: MIT */
/**
 * How the calls of troupe_pack and troupe_unpack are checked: private parts of pack.h, which says
 * what is checked and when. Nothing here is to be used by itself.
 *
 * The type of each argument becomes four bits of a constant. A small state machine walks over the
 * format and takes them one by one: the optimiser runs it where the format is a literal, the
 * library where it is not.
 */
#ifndef TROUPE_PACK_CHECK_H
#define TROUPE_PACK_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define TROUPE_INLINE static inline __attribute__((always_inline))
#else
#define TROUPE_INLINE static inline
#endif

#define TROUPE_TYPE_WORDS 3 /* of 16 types each; the last type says that there were too many */

/* What an argument is once the default promotions have been applied. */
#define TROUPE_TYPE_END     0U
#define TROUPE_TYPE_INT     1U
#define TROUPE_TYPE_I64     2U
#define TROUPE_TYPE_U64     3U
#define TROUPE_TYPE_DOUBLE  4U
#define TROUPE_TYPE_CHARS   5U /* char *, const char * */
#define TROUPE_TYPE_VOID    6U /* void *, const void *, NULL */
#define TROUPE_TYPE_BYTES   7U /* uint8_t *, const uint8_t * */
#define TROUPE_TYPE_POINTER 8U /* any other */
#define TROUPE_TYPE_TO_INT  9U /* int * */
#define TROUPE_TYPE_TO_I64  10U
#define TROUPE_TYPE_TO_U64  11U
#define TROUPE_TYPE_TO_DBL  12U
#define TROUPE_TYPE_TO_DATA 13U /* const char **, const uint8_t **, const void ** */
#define TROUPE_TYPE_TO_U32  14U /* unsigned * */
#define TROUPE_TYPE_BAD     15U

#define TROUPE_TYPE_SIZE    (sizeof(size_t) == 8 ? TROUPE_TYPE_U64 : TROUPE_TYPE_INT)
#define TROUPE_TYPE_TO_SIZE (sizeof(size_t) == 8 ? TROUPE_TYPE_TO_U64 : TROUPE_TYPE_TO_U32)

/* ---- the state machine ---- */

#define TROUPE_FORMAT_NESTING_MAX 63U

/* Levels are bits: level 0 is outside of all brackets. */
typedef struct troupe_format_check {
    uint64_t types[TROUPE_TYPE_WORDS]; /* those not taken yet, the next one lowest */
    uint64_t maps;                     /* levels that are a map */
    uint64_t value_due;                /* maps that have a key without its value */
    unsigned depth;
    bool unpack;
    bool bad;
} troupe_format_check;

/* The next argument must be of one of the types in the mask. */
TROUPE_INLINE troupe_format_check troupe_format_take(troupe_format_check c, unsigned mask)
{
    unsigned type = (unsigned)(c.types[0] & 15U);
    c.bad = c.bad || (mask >> type & 1U) == 0;
    c.types[0] = c.types[0] >> 4 | c.types[1] << 60;
    c.types[1] = c.types[1] >> 4 | c.types[2] << 60;
    c.types[2] >>= 4;
    return c;
}

/* The arguments of one value's letter. */
TROUPE_INLINE troupe_format_check troupe_format_letter(troupe_format_check c, char letter,
                                                       bool sized)
{
    unsigned text =
        1U << TROUPE_TYPE_CHARS | 1U << TROUPE_TYPE_VOID | (sized ? 1U << TROUPE_TYPE_BYTES : 0U);
    unsigned any = text | 0x7fU << TROUPE_TYPE_POINTER; /* and whatever it points to */
    if (letter == 'n') {
        c.bad = c.bad || sized;
    } else if (letter == 's' || letter == 'j' || letter == 'x' || letter == 'r') {
        c.bad = c.bad || (!sized && (letter != 's' || c.unpack));
        c = troupe_format_take(c, c.unpack                         ? 1U << TROUPE_TYPE_TO_DATA
                                  : letter == 's' || letter == 'j' ? text
                                                                   : any);
        if (sized)
            c = troupe_format_take(c, 1U << (c.unpack ? TROUPE_TYPE_TO_SIZE : TROUPE_TYPE_SIZE));
    } else {
        unsigned type = letter == 'b' || letter == 'i' ? TROUPE_TYPE_INT
                        : letter == 'I'                ? TROUPE_TYPE_I64
                        : letter == 'U'                ? TROUPE_TYPE_U64
                        : letter == 'f'                ? TROUPE_TYPE_DOUBLE
                                                       : TROUPE_TYPE_BAD;
        c.bad = c.bad || sized || type == TROUPE_TYPE_BAD;
        c = troupe_format_take(c, c.unpack ? 1U << (type - TROUPE_TYPE_INT + TROUPE_TYPE_TO_INT)
                                           : 1U << type);
    }
    return c;
}

/* A key or a value is complete. */
TROUPE_INLINE troupe_format_check troupe_format_done(troupe_format_check c)
{
    c.value_due ^= c.maps & (uint64_t)1 << c.depth;
    return c;
}

/* One character, with its neighbours ('\0' where there is none). */
TROUPE_INLINE troupe_format_check troupe_format_step(troupe_format_check c, char before, char at,
                                                     char after)
{
    uint64_t level = (uint64_t)1 << c.depth;
    bool in_map = (c.maps & level) != 0;
    bool key_due = c.unpack && in_map && (c.value_due & level) == 0;
    if (c.bad || at == ' ' || at == ',' || at == ':')
        return c;
    if (at == '{' || at == '[') {
        c.bad = key_due || c.depth == TROUPE_FORMAT_NESTING_MAX;
        c.depth = (c.depth + 1) & TROUPE_FORMAT_NESTING_MAX;
        level = (uint64_t)1 << c.depth;
        c.maps = at == '{' ? c.maps | level : c.maps & ~level;
        c.value_due &= ~level;
        return c;
    }
    if (at == '}' || at == ']') {
        c.bad = c.depth == 0 || in_map != (at == '}') || (in_map && (c.value_due & level) != 0);
        c.depth = (c.depth - 1) & TROUPE_FORMAT_NESTING_MAX;
        return troupe_format_done(c);
    }
    if (at == '#') {
        c.bad = before != 's' && before != 'x' && before != 'j' && before != 'r';
        return c;
    }
    if (at == '?') {
        c.bad = !c.unpack || before < '#' || before == '?' || before == ',' || before == ':' ||
                before == '{' || before == '[' || before == '}' || before == ']';
        return c;
    }
    if (key_due) {
        c.bad = at != 's' || after == '#';
        c = troupe_format_take(c, 1U << TROUPE_TYPE_CHARS);
    } else {
        c = troupe_format_letter(c, at, after == '#');
    }
    return troupe_format_done(c);
}

/* All brackets are closed and all arguments taken. */
TROUPE_INLINE bool troupe_format_fits(troupe_format_check c)
{
    return !c.bad && c.depth == 0 && (c.types[0] | c.types[1] | c.types[2]) == 0;
}

/* ---- what the optimiser runs ---- */

#if defined(__GNUC__) && defined(__OPTIMIZE__) && defined(__has_attribute)
#if __has_attribute(error)
#define TROUPE_FORMAT_CHECKED 128 /* characters; longer formats are checked when they are used */
#endif
#endif

#ifdef TROUPE_FORMAT_CHECKED
#ifdef __cplusplus
extern "C" {
#endif
/* Never defined: a call that the optimiser does not remove is the error. */
extern void troupe_arguments_do_not_fit(void)
    __attribute__((error("troupe_pack/troupe_unpack: the arguments do not fit the format")));
#ifdef __cplusplus
}
#endif
#else
TROUPE_INLINE void troupe_arguments_do_not_fit(void)
{
}
#endif

#define TROUPE_STEP_1(i) \
    if ((i) < len)       \
        c = troupe_format_step(c, (i) > 0 ? format[(i)-1] : '\0', format[i], format[(i) + 1]);
#define TROUPE_STEP_4(i) \
    TROUPE_STEP_1(i) TROUPE_STEP_1((i) + 1) TROUPE_STEP_1((i) + 2) TROUPE_STEP_1((i) + 3)
#define TROUPE_STEP_16(i) \
    TROUPE_STEP_4(i) TROUPE_STEP_4((i) + 4) TROUPE_STEP_4((i) + 8) TROUPE_STEP_4((i) + 12)
#define TROUPE_STEP_64(i) \
    TROUPE_STEP_16(i) TROUPE_STEP_16((i) + 16) TROUPE_STEP_16((i) + 32) TROUPE_STEP_16((i) + 48)

/* What became of a check before the program runs. */
typedef enum troupe_types_verdict {
    TROUPE_TYPES_UNKNOWN, /* the library is to check */
    TROUPE_TYPES_FIT,
    TROUPE_TYPES_MISFIT,
} troupe_types_verdict;

/* The whole walk without a loop, for formats of at most so many characters. */
#define TROUPE_JUDGE(name, steps)                                                           \
    TROUPE_INLINE troupe_types_verdict name(bool unpack, const char *format, size_t len,    \
                                            uint64_t word0, uint64_t word1, uint64_t word2) \
    {                                                                                       \
        troupe_format_check c = {{word0, word1, word2}, 0, 0, 0, unpack, false};            \
        steps bool fits = troupe_format_fits(c);                                            \
        return !__builtin_constant_p(fits) ? TROUPE_TYPES_UNKNOWN                           \
               : fits                      ? TROUPE_TYPES_FIT                               \
                                           : TROUPE_TYPES_MISFIT;                                                \
    }

#ifdef TROUPE_FORMAT_CHECKED
TROUPE_JUDGE(troupe_judge_16, TROUPE_STEP_16(0U))
TROUPE_JUDGE(troupe_judge_64, TROUPE_STEP_64(0U))
TROUPE_JUDGE(troupe_judge_128, TROUPE_STEP_64(0U) TROUPE_STEP_64(64U))
/* The compiler's front end chooses; a format that is no literal is not looked at. */
#define TROUPE_JUDGED(unpack, f, ...)                                             \
    (!__builtin_constant_p(f) || sizeof(f) > 128 + 1 ? TROUPE_TYPES_UNKNOWN       \
     : sizeof(f) <= 16 + 1                                                        \
         ? troupe_judge_16(unpack, TROUPE_LITERAL(f), sizeof(f) - 1, __VA_ARGS__) \
     : sizeof(f) <= 64 + 1                                                        \
         ? troupe_judge_64(unpack, TROUPE_LITERAL(f), sizeof(f) - 1, __VA_ARGS__) \
         : troupe_judge_128(unpack, TROUPE_LITERAL(f), sizeof(f) - 1, __VA_ARGS__))
#else
#define TROUPE_JUDGED(unpack, f, ...) ((void)sizeof(f), TROUPE_TYPES_UNKNOWN)
#endif
#define TROUPE_LITERAL(f)     (__builtin_constant_p(f) ? (f) : "")
#define TROUPE_FORMAT(f, ...) f

/* ---- C: the types, by _Generic ---- */
#if defined(__GNUC__) && !defined(__cplusplus) && __STDC_VERSION__ >= 201112L && \
    !defined(__cppcheck__) /* which cannot read it */
#define TROUPE_PACK_CHECKED

/* What stands behind the last argument. */
typedef struct troupe_end troupe_end;
#define TROUPE_END ((troupe_end *)0)

#define TROUPE_TYPE_LONG  (sizeof(long) == 8 ? TROUPE_TYPE_I64 : TROUPE_TYPE_INT)
#define TROUPE_TYPE_ULONG (sizeof(long) == 8 ? TROUPE_TYPE_U64 : TROUPE_TYPE_INT)
#define TROUPE_TO_LONG    (sizeof(long) == 8 ? TROUPE_TYPE_TO_I64 : TROUPE_TYPE_TO_INT)
#define TROUPE_TO_ULONG   (sizeof(long) == 8 ? TROUPE_TYPE_TO_U64 : TROUPE_TYPE_TO_U32)
/* Integers of odd widths (bit-fields), then pointers. */
#define TROUPE_TYPE_OTHER(a)                                 \
    (__builtin_classify_type(a) == 1   ? TROUPE_TYPE_INT     \
     : __builtin_classify_type(a) == 5 ? TROUPE_TYPE_POINTER \
                                       : TROUPE_TYPE_BAD)

/* clang-format off */
#define TROUPE_TYPE(a) _Generic((a),             \
    troupe_end *: TROUPE_TYPE_END,               \
    bool: TROUPE_TYPE_INT,                       \
    char: TROUPE_TYPE_INT,                       \
    signed char: TROUPE_TYPE_INT,                \
    unsigned char: TROUPE_TYPE_INT,              \
    short: TROUPE_TYPE_INT,                      \
    unsigned short: TROUPE_TYPE_INT,             \
    int: TROUPE_TYPE_INT,                        \
    unsigned: TROUPE_TYPE_INT,                   \
    long: TROUPE_TYPE_LONG,                      \
    unsigned long: TROUPE_TYPE_ULONG,            \
    long long: TROUPE_TYPE_I64,                  \
    unsigned long long: TROUPE_TYPE_U64,         \
    float: TROUPE_TYPE_DOUBLE,                   \
    double: TROUPE_TYPE_DOUBLE,                  \
    long double: TROUPE_TYPE_BAD,                \
    char *: TROUPE_TYPE_CHARS,                   \
    const char *: TROUPE_TYPE_CHARS,             \
    void *: TROUPE_TYPE_VOID,                    \
    const void *: TROUPE_TYPE_VOID,              \
    unsigned char *: TROUPE_TYPE_BYTES,          \
    const unsigned char *: TROUPE_TYPE_BYTES,    \
    int *: TROUPE_TYPE_TO_INT,                   \
    unsigned *: TROUPE_TYPE_TO_U32,              \
    long *: TROUPE_TO_LONG,                      \
    unsigned long *: TROUPE_TO_ULONG,            \
    long long *: TROUPE_TYPE_TO_I64,             \
    unsigned long long *: TROUPE_TYPE_TO_U64,    \
    double *: TROUPE_TYPE_TO_DBL,                \
    const char **: TROUPE_TYPE_TO_DATA,          \
    const unsigned char **: TROUPE_TYPE_TO_DATA, \
    const void **: TROUPE_TYPE_TO_DATA,          \
    default: TROUPE_TYPE_OTHER(a))
#define TROUPE_TYPE_AT(a, place) ((uint64_t)TROUPE_TYPE(a) << 4 * (place))
#define TROUPE_WORD(a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15)                   \
    (TROUPE_TYPE_AT(a0, 0) | TROUPE_TYPE_AT(a1, 1) | TROUPE_TYPE_AT(a2, 2) | TROUPE_TYPE_AT(a3, 3) |        \
     TROUPE_TYPE_AT(a4, 4) | TROUPE_TYPE_AT(a5, 5) | TROUPE_TYPE_AT(a6, 6) | TROUPE_TYPE_AT(a7, 7) |        \
     TROUPE_TYPE_AT(a8, 8) | TROUPE_TYPE_AT(a9, 9) | TROUPE_TYPE_AT(a10, 10) | TROUPE_TYPE_AT(a11, 11) |    \
     TROUPE_TYPE_AT(a12, 12) | TROUPE_TYPE_AT(a13, 13) | TROUPE_TYPE_AT(a14, 14) | TROUPE_TYPE_AT(a15, 15))
#define TROUPE_WORDS_48(f,                                                                                       \
    a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19,                        \
    a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32, a33, a34, a35, a36,                         \
    a37, a38, a39, a40, a41, a42, a43, a44, a45, a46, a47, end, ...)                                             \
    troupe_word0_ = TROUPE_WORD(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16),          \
    troupe_word1_ = TROUPE_WORD(a17, a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32), \
    troupe_word2_ = TROUPE_WORD(a33, a34, a35, a36, a37, a38, a39, a40, a41, a42, a43, a44, a45, a46, a47,       \
                                TROUPE_END) | /* the last place is wrong if it is taken */                       \
                    (TROUPE_TYPE(end) == TROUPE_TYPE_END ? 0 : (uint64_t)TROUPE_TYPE_BAD << 60)
/* The types of what stands behind the format, as three declarators. */
#define TROUPE_WORDS(...)                                                                   \
    TROUPE_WORDS_48(__VA_ARGS__,                                                            \
        TROUPE_END, TROUPE_END, TROUPE_END, TROUPE_END, TROUPE_END, TROUPE_END, TROUPE_END, \
        TROUPE_END, TROUPE_END, TROUPE_END, TROUPE_END, TROUPE_END, TROUPE_END, TROUPE_END, \
        TROUPE_END, TROUPE_END, TROUPE_END, TROUPE_END, TROUPE_END, TROUPE_END, TROUPE_END, \
        TROUPE_END, TROUPE_END, TROUPE_END, TROUPE_END, TROUPE_END, TROUPE_END, TROUPE_END, \
        TROUPE_END, TROUPE_END, TROUPE_END, TROUPE_END, TROUPE_END, TROUPE_END, TROUPE_END, \
        TROUPE_END, TROUPE_END, TROUPE_END, TROUPE_END, TROUPE_END, TROUPE_END, TROUPE_END, \
        TROUPE_END, TROUPE_END, TROUPE_END, TROUPE_END, TROUPE_END, TROUPE_END)
/* clang-format on */
#endif

/* ---- C++: the types, by traits ---- */
#ifdef __cplusplus
#if defined(__GNUC__) && __cplusplus >= 201103L
#define TROUPE_PACK_CHECKED

#include <type_traits>

template <class T, class Of = typename std::remove_cv<typename std::remove_pointer<T>::type>::type>
struct troupe_pointer_type {
    typedef typename std::remove_pointer<T>::type pointed;
    static constexpr bool writable = !std::is_const<pointed>::value;
    static constexpr bool data = writable && (std::is_same<Of, const char *>::value ||
                                              std::is_same<Of, const unsigned char *>::value ||
                                              std::is_same<Of, const void *>::value);
    static constexpr unsigned value =
        std::is_volatile<pointed>::value         ? TROUPE_TYPE_POINTER
        : std::is_same<Of, char>::value          ? TROUPE_TYPE_CHARS
        : std::is_void<Of>::value                ? TROUPE_TYPE_VOID
        : std::is_same<Of, unsigned char>::value ? TROUPE_TYPE_BYTES
        : data                                   ? TROUPE_TYPE_TO_DATA
        : !writable                              ? TROUPE_TYPE_POINTER
        : std::is_same<Of, int>::value           ? TROUPE_TYPE_TO_INT
        : std::is_same<Of, unsigned>::value      ? TROUPE_TYPE_TO_U32
        : std::is_same<Of, double>::value        ? TROUPE_TYPE_TO_DBL
        : std::is_same<Of, long>::value
            ? (sizeof(long) == 8 ? TROUPE_TYPE_TO_I64 : TROUPE_TYPE_TO_INT)
        : std::is_same<Of, unsigned long>::value
            ? (sizeof(long) == 8 ? TROUPE_TYPE_TO_U64 : TROUPE_TYPE_TO_U32)
        : std::is_same<Of, long long>::value          ? TROUPE_TYPE_TO_I64
        : std::is_same<Of, unsigned long long>::value ? TROUPE_TYPE_TO_U64
                                                      : TROUPE_TYPE_POINTER;
};

/* Scoped and wide enumerations must be converted by the caller. */
template <class T> struct troupe_type {
    static constexpr bool enumeration =
        std::is_enum<T>::value && std::is_convertible<T, int>::value && sizeof(T) <= sizeof(int);
    static constexpr unsigned value = std::is_pointer<T>::value ? troupe_pointer_type<T>::value
                                      : std::is_same<T, std::nullptr_t>::value ? TROUPE_TYPE_VOID
                                      : std::is_same<T, float>::value          ? TROUPE_TYPE_DOUBLE
                                      : std::is_same<T, double>::value         ? TROUPE_TYPE_DOUBLE
                                      : enumeration                            ? TROUPE_TYPE_INT
                                      : !std::is_integral<T>::value            ? TROUPE_TYPE_BAD
                                      : sizeof(T) <= sizeof(int)               ? TROUPE_TYPE_INT
                                      : std::is_signed<T>::value               ? TROUPE_TYPE_I64
                                                                               : TROUPE_TYPE_U64;
};

/* One word of the types of A, the first of which stands in `place`. */
template <unsigned word, unsigned place, class... A> struct troupe_word {
    static constexpr uint64_t value = 0;
};
template <unsigned word, unsigned place, class First, class... Rest>
struct troupe_word<word, place, First, Rest...> {
    static constexpr uint64_t value =
        (place / 16 == word ? (uint64_t)troupe_type<First>::value << 4 * (place % 16) : 0) |
        troupe_word<word, place + 1, Rest...>::value;
};

template <class... A> struct troupe_types {
    static_assert(sizeof...(A) < 16 * TROUPE_TYPE_WORDS, "too many arguments");
    static constexpr uint64_t word0 = troupe_word<0, 0, A...>::value;
    static constexpr uint64_t word1 = troupe_word<1, 0, A...>::value;
    static constexpr uint64_t word2 = troupe_word<2, 0, A...>::value;
};

/* Never defined: its result is the types of what stands behind the format. */
template <class... A> troupe_types<A...> troupe_types_from(const char *format, A... arguments);

/* clang-format off */
#define TROUPE_WORDS(...)                                                      \
    troupe_word0_ = decltype(troupe_types_from(__VA_ARGS__))::word0,           \
    troupe_word1_ = decltype(troupe_types_from(__VA_ARGS__))::word1,           \
    troupe_word2_ = decltype(troupe_types_from(__VA_ARGS__))::word2
/* clang-format on */
#endif
#endif

/* The exported function with its types, unless the compiler could check them. */
#define TROUPE_TYPED(function, unpack, first, ...)                                                \
    __extension__({                                                                               \
        const uint64_t TROUPE_WORDS(__VA_ARGS__);                                                 \
        const uint64_t troupe_types_[] = {troupe_word0_, troupe_word1_, troupe_word2_};           \
        const troupe_types_verdict troupe_verdict_ = TROUPE_JUDGED(                               \
            unpack, TROUPE_FORMAT(__VA_ARGS__, 0), troupe_word0_, troupe_word1_, troupe_word2_);  \
        if (troupe_verdict_ == TROUPE_TYPES_MISFIT)                                               \
            troupe_arguments_do_not_fit();                                                        \
        function(first, troupe_verdict_ == TROUPE_TYPES_FIT ? NULL : troupe_types_, __VA_ARGS__); \
    })

#endif
