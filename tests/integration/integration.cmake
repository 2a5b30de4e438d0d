# Tests that drive the built host with real Chromium: one entry a file.
find_program(NODE node REQUIRED)
file(GLOB integration_tests CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.test.mjs)
set(slow 1)
if(TROUPE_SANITIZE)
    set(slow 3)
endif()
foreach(file ${integration_tests})
    get_filename_component(name ${file} NAME_WE)
    add_test(NAME integration_${name} COMMAND ${NODE} ${file})
    set_tests_properties(integration_${name} PROPERTIES LABELS integration TIMEOUT 180
        RUN_SERIAL TRUE
        ENVIRONMENT "TROUPE=$<TARGET_FILE:troupe>;TROUPE_TEST_SLOW=${slow};${TEST_ENV}")
endforeach()
