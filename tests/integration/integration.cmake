# Tests that drive the built host with real Chromium: one entry a file.
find_program(NODE node REQUIRED)
file(GLOB integration_tests CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.test.mjs)
set(slow 1)
if(TROUPE_SANITIZE)
    set(slow 3)
endif()
function(troupe_integration_test name file)
    add_test(NAME ${name} COMMAND ${NODE} ${file})
    set_tests_properties(${name} PROPERTIES LABELS integration TIMEOUT 180 RUN_SERIAL TRUE
        ENVIRONMENT
        "TROUPE=$<TARGET_FILE:troupe>;TROUPE_TEST_SLOW=${slow};${TEST_ENV};${ARGN}")
endfunction()
foreach(file ${integration_tests})
    get_filename_component(name ${file} NAME_WE)
    troupe_integration_test(integration_${name} ${file})
endforeach()
# The same host on the other lane.
foreach(name record commands)
    troupe_integration_test(integration_${name}_ring ${CMAKE_CURRENT_LIST_DIR}/${name}.test.mjs
        TROUPE_MAILBOX=ring)
endforeach()
