# SPDX-License-Identifier: Apache-2.0
# What has to be there to build. All that is missing is named at once, each with its Debian package.

set(HEADROOM_MISSING "")
set(HEADROOM_PACKAGES "")

# missing(WHAT PACKAGE) - one more thing to name
macro(missing what package)
	string(APPEND HEADROOM_MISSING "\n  ${what} (package ${package})")
	list(APPEND HEADROOM_PACKAGES ${package})
endmacro()

# need_header(VARIABLE HEADER PACKAGE)
macro(need_header variable header package)
	# Before project() CMake does not know where a compiler looks.
	find_path(${variable} ${header} PATHS /usr/local/include /usr/include)
	if(NOT ${variable})
		missing(${header} ${package})
	endif()
endmacro()

# need_archive(VARIABLE ARCHIVE PACKAGE) - after project() only, as the folder's name has that of the architecture
macro(need_archive variable archive package)
	find_library(${variable} NAMES ${archive})
	if(NOT ${variable} AND NOT ${package} IN_LIST HEADROOM_PACKAGES)
		missing(${archive} ${package})
	endif()
endmacro()

macro(need_headers)
	need_header(UTHASH_INCLUDE_DIR uthash.h uthash-dev)
	need_header(INIH_INCLUDE_DIR ini.h libinih-dev)
	need_header(HTTP_PARSER_INCLUDE_DIR http_parser.h libhttp-parser-dev)
	# For `headroom export` and `headroom top`; the shim has no part of them.
	need_header(MICROHTTPD_INCLUDE_DIR microhttpd.h libmicrohttpd-dev)
	need_header(HEADROOM_CURSES_DIR ncurses.h libncurses-dev)
	if(HEADROOM_TESTS)
		need_header(CRITERION_INCLUDE_DIR criterion/criterion.h libcriterion-dev)
		find_program(HEADROOM_PKG_CONFIG NAMES pkg-config pkgconf)
		if(NOT HEADROOM_PKG_CONFIG)
			missing(pkg-config pkg-config)
		endif()
	endif()
endmacro()

# name_missing() - ends here if something is missing
macro(name_missing)
	if(HEADROOM_PACKAGES)
		list(REMOVE_DUPLICATES HEADROOM_PACKAGES)
		list(JOIN HEADROOM_PACKAGES " " HEADROOM_PACKAGES)
		message(FATAL_ERROR "headroom needs what is not here:${HEADROOM_MISSING}\n"
			"On Debian and Ubuntu: apt-get install ${HEADROOM_PACKAGES}")
	endif()
endmacro()

# need_tools() - before project(), which would end at the first of these with a text about CMake's own variables
macro(need_tools)
	find_program(HEADROOM_ANY_COMPILER NAMES cc gcc clang)
	if(NOT HEADROOM_ANY_COMPILER AND NOT CMAKE_C_COMPILER AND NOT DEFINED ENV{CC})
		missing("a C compiler" gcc)
	endif()
	find_program(HEADROOM_ANY_MAKE NAMES gmake make)
	if(NOT HEADROOM_ANY_MAKE AND NOT CMAKE_MAKE_PROGRAM AND "${CMAKE_GENERATOR}" MATCHES "Makefiles")
		missing(make make)
	endif()
	# gcc alone does not bring it.
	if(EXISTS /etc/debian_version AND NOT EXISTS /usr/include/stdio.h AND NOT CMAKE_TOOLCHAIN_FILE)
		missing("the C library's headers" libc6-dev)
	endif()
	if(HEADROOM_PACKAGES)
		need_headers()
		name_missing()
	endif()
endmacro()

# need_libraries() - after project()
macro(need_libraries)
	need_headers()
	need_archive(INIH_ARCHIVE libinih.a libinih-dev)
	need_archive(HTTP_PARSER_ARCHIVE libhttp_parser.a libhttp-parser-dev)
	need_archive(MICROHTTPD_LIBRARY microhttpd libmicrohttpd-dev)
	name_missing()
	set(CURSES_NEED_NCURSES TRUE)
	find_package(Curses REQUIRED)
endmacro()
