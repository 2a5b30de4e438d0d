# What is installed: libtroupe (the actor runtime) and libtroupe-host (the browser host), each shared
# and static. They export the functions that TROUPE_API marks, all troupe_*, and nothing else.

# One object of many, in which what is hidden has become local: names that our files share
# (`mailbox_push`, `uri_parse`) cannot clash with those of a program that links the archive.
function(troupe_merge_objects target out)
    set(all ${CMAKE_BINARY_DIR}/${target}.all.o)
    set(merged ${CMAKE_BINARY_DIR}/${target}.o)
    set(objects)
    foreach(part ${ARGN})
        list(APPEND objects $<TARGET_OBJECTS:${part}>)
    endforeach()
    add_custom_command(OUTPUT ${merged}
        COMMAND ${CMAKE_LINKER} -r -o ${all} ${objects}
        COMMAND ${CMAKE_OBJCOPY} --localize-hidden ${all} ${merged}
        COMMAND ${CMAKE_COMMAND} -E rm ${all}
        DEPENDS ${objects} COMMAND_EXPAND_LISTS VERBATIM COMMENT "Merging ${target}")
    set_source_files_properties(${merged} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
    set(${out} ${merged} PARENT_SCOPE)
endfunction()

# troupe_library(NAME OUTPUT_NAME LIBS…): from the object libraries NAME_PARTS. LIBS are private:
# whoever links the shared library needs them at run time only.
function(troupe_library name output)
    cmake_parse_arguments(ARG "" "" "PARTS;LIBS;SHARED_LIBS;STATIC_LIBS" ${ARGN})
    set(objects)
    foreach(part ${ARG_PARTS})
        list(APPEND objects $<TARGET_OBJECTS:${part}>)
    endforeach()
    add_library(${name}_shared SHARED ${objects})
    target_link_libraries(${name}_shared PRIVATE ${ARG_LIBS} PUBLIC ${ARG_SHARED_LIBS})
    if(NOT TROUPE_SANITIZE)
        target_link_options(${name}_shared PRIVATE LINKER:--no-undefined)
    endif()
    set_target_properties(${name}_shared PROPERTIES VERSION ${PROJECT_VERSION}
        SOVERSION ${PROJECT_VERSION_MAJOR} INSTALL_RPATH $ORIGIN)
    troupe_merge_objects(${name}_static merged ${ARG_PARTS})
    add_library(${name}_static STATIC ${merged})
    target_link_libraries(${name}_static PRIVATE ${ARG_LIBS} PUBLIC ${ARG_STATIC_LIBS})
    foreach(kind shared static)
        set_target_properties(${name}_${kind} PROPERTIES OUTPUT_NAME ${output} LINKER_LANGUAGE C)
        target_include_directories(${name}_${kind} INTERFACE
            $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    endforeach()
endfunction()

troupe_library(troupe troupe PARTS troupe_runtime LIBS PkgConfig::MSGPACK nng::nng Threads::Threads)
troupe_library(troupe_host troupe-host PARTS troupe_transport_objects troupe_actors_objects
    LIBS ${TRANSPORT_LIBS} ${ACTORS_LIBS} Threads::Threads
    SHARED_LIBS troupe_shared STATIC_LIBS troupe_static)

# The names that they have for whoever finds the installed package.
add_library(Troupe::troupe ALIAS troupe_shared)
add_library(Troupe::troupe_static ALIAS troupe_static)
add_library(Troupe::host ALIAS troupe_host_shared)
add_library(Troupe::host_static ALIAS troupe_host_static)
