# Turns every file below web/ into a C array, and makes one table of them (actors/bridge/assets.h
# declares it): the binary carries its own pages.
file(GLOB_RECURSE TROUPE_WEB_FILES CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/web/*)
set(TROUPE_WEB_SOURCES ${CMAKE_BINARY_DIR}/web_assets.c)
add_custom_command(
    OUTPUT ${TROUPE_WEB_SOURCES}
    COMMAND ${CMAKE_COMMAND} -DOUT=${TROUPE_WEB_SOURCES} -DROOT=${CMAKE_SOURCE_DIR}/web
        -P ${CMAKE_SOURCE_DIR}/cmake/embed_files.cmake
    DEPENDS ${TROUPE_WEB_FILES} ${CMAKE_SOURCE_DIR}/cmake/embed_files.cmake
    COMMENT "Embedding web/")
