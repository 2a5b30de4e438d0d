# `make install`: the command, both libraries (shared and static), headers, pkg-config files, the
# CMake package `Troupe`, man pages. Nothing in it knows its prefix: the tree may be moved.
include(CMakePackageConfigHelpers)
set(TROUPE_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/Troupe)

install(TARGETS troupe RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY include/troupe DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

# Two sets of targets: only who links statically has to have the libraries below ours.
install(TARGETS troupe_shared troupe_host_shared EXPORT TroupeTargets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS troupe_static troupe_host_static EXPORT TroupeStaticTargets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
set_target_properties(troupe_shared PROPERTIES EXPORT_NAME troupe)
set_target_properties(troupe_host_shared PROPERTIES EXPORT_NAME host)
set_target_properties(troupe_host_static PROPERTIES EXPORT_NAME host_static)
foreach(set TroupeTargets TroupeStaticTargets)
    install(EXPORT ${set} NAMESPACE Troupe:: DESTINATION ${TROUPE_CMAKE_DIR})
endforeach()
configure_package_config_file(cmake/TroupeConfig.cmake.in ${CMAKE_BINARY_DIR}/TroupeConfig.cmake
    INSTALL_DESTINATION ${TROUPE_CMAKE_DIR} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/TroupeConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/TroupeConfig.cmake ${CMAKE_BINARY_DIR}/TroupeConfigVersion.cmake
    DESTINATION ${TROUPE_CMAKE_DIR})

# A static nng needs what it was built with; Debian's has mbed TLS.
find_library(MBEDTLS mbedtls)
mark_as_advanced(MBEDTLS)
set(TROUPE_PC_NNG -lnng)
if(MBEDTLS)
    set(TROUPE_PC_NNG "-lnng -lmbedtls -lmbedx509 -lmbedcrypto")
endif()
# Relative to where the file is found: `make install PREFIX=…` is known only when it installs.
file(RELATIVE_PATH TROUPE_PC_UP /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
foreach(name troupe troupe-host)
    configure_file(cmake/${name}.pc.in ${CMAKE_BINARY_DIR}/${name}.pc @ONLY)
    install(FILES ${CMAKE_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

foreach(section 1 3 5)
    file(GLOB pages docs/man/*.${section})
    if(pages)
        install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
    endif()
endforeach()

install(FILES completions/troupe.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
    RENAME troupe)
install(FILES completions/_troupe DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(FILES completions/troupe.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
configure_file(systemd/troupe.service ${CMAKE_BINARY_DIR}/troupe.service @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/troupe.service DESTINATION lib/systemd/user)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
