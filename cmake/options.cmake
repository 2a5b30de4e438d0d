# Compiler options of all targets.
add_compile_definitions(_GNU_SOURCE)
add_compile_options(-Wall -Wextra -fvisibility=hidden -fno-strict-aliasing)
add_link_options(-Wl,--as-needed -Wl,-z,relro -Wl,-z,now)

if(TROUPE_STRICT)
    add_compile_options(-Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes
        -Werror)
endif()

if(TROUPE_SANITIZE)
    add_compile_options(-fsanitize=${TROUPE_SANITIZE} -fno-sanitize-recover=all
        -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${TROUPE_SANITIZE})
endif()
