# SPDX-License-Identifier: Apache-2.0
# HEADROOM_STATIC: a command that needs nothing of the host it is copied to, not even a C library. Only archives are found,
# and Criterion is none, so it is without the tests.
option(HEADROOM_STATIC "Link the command statically, for archives that run everywhere" OFF)

if(HEADROOM_STATIC)
	set(CMAKE_FIND_LIBRARY_SUFFIXES .a)
	set(HEADROOM_TESTS OFF)
endif()

# link_statically(TARGET) - without TLS: an archive of libmicrohttpd asks for GnuTLS, which has parts that are not to be had
# as archives. It is never asked for by `headroom export`, so that what stands in is not called, but for the beginning and end.
function(link_statically target)
	execute_process(COMMAND ${CMAKE_NM} -u ${MICROHTTPD_LIBRARY} OUTPUT_VARIABLE names ERROR_QUIET)
	string(REGEX MATCHALL "gnutls_[a-z0-9_]+" names "${names}")
	list(REMOVE_DUPLICATES names)
	set(text "/* Made by cmake/static.cmake. */\n")
	foreach(name ${names})
		string(APPEND text "int ${name}(void);\nint ${name}(void)\n{\n\treturn 0;\n}\n")
	endforeach()
	file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/without_tls.c CONTENT "${text}")
	set_source_files_properties(${CMAKE_CURRENT_BINARY_DIR}/without_tls.c PROPERTIES COMPILE_OPTIONS -fno-builtin)
	find_library(HEADROOM_TINFO NAMES tinfo REQUIRED)
	target_sources(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/without_tls.c static_names.c)
	target_link_options(${target} PRIVATE -static-pie)
	target_link_libraries(${target} PRIVATE ${HEADROOM_TINFO})
	if(HEADROOM_ATTACH)
		find_library(HEADROOM_ELF NAMES elf REQUIRED)
		find_library(HEADROOM_Z NAMES z REQUIRED)
		target_link_libraries(${target} PRIVATE ${HEADROOM_ELF} ${HEADROOM_Z})
	endif()
endfunction()
