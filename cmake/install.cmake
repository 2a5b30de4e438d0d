# `make install`: the command, libtroupe (shared and static), its headers, pkg-config file, man pages.
include(GNUInstallDirs)

install(TARGETS troupe troupe_static troupe_shared
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/troupe DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

# Relative to where the file is found: `make install PREFIX=…` is known only when it installs.
file(RELATIVE_PATH TROUPE_PC_UP /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cmake/troupe.pc.in ${CMAKE_BINARY_DIR}/troupe.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/troupe.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

foreach(section 1 3 5)
    file(GLOB pages docs/man/*.${section})
    if(pages)
        install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
    endif()
endforeach()

install(FILES completions/troupe.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
    RENAME troupe)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
