# The examples, and the installed copy as others find it (that one without sanitizers).
add_subdirectory(${CMAKE_SOURCE_DIR}/examples ${CMAKE_BINARY_DIR}/examples)
if(NOT TROUPE_SANITIZE)
    add_test(NAME package COMMAND ${CMAKE_CURRENT_LIST_DIR}/package.sh ${CMAKE_BINARY_DIR})
    set_tests_properties(package PROPERTIES LABELS package TIMEOUT 300)
endif()
