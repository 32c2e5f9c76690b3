# `cpack -G DEB` in a build of the preset "package": three packages.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME troupe)
set(CPACK_PACKAGE_VENDOR "The troupe maintainers")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "") # each package has its own
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/packages)
set(CPACK_STRIP_FILES ON)
set(CPACK_VERBATIM_VARIABLES ON)
# The prefix is a package's, whatever the build folder was configured for.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_COMPONENTS_ALL runtime dev python)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)

# Who makes a package says so as Debian's tools want it; else it is the project.
set(MAINTAINER "The troupe maintainers <maintainers@troupe.invalid>")
if(DEFINED ENV{DEBFULLNAME} AND DEFINED ENV{DEBEMAIL})
  set(MAINTAINER "$ENV{DEBFULLNAME} <$ENV{DEBEMAIL}>")
endif()
set(CPACK_DEBIAN_PACKAGE_MAINTAINER ${MAINTAINER})
set(CPACK_DEBIAN_PACKAGE_SECTION video)
set(CPACK_DEBIAN_PACKAGE_RELEASE 0upstream1) # before any of a distribution
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME troupe)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_DEPENDS "systemd | systemd-standalone-sysusers | systemd-sysusers")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_RECOMMENDS elfutils)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SUGGESTS "python3-troupe, libtroupe-dev")
set(CPACK_DEBIAN_RUNTIME_DESCRIPTION "live-video pipeline that cannot be knocked over
A supervisor runs separate capture, processor, storer, trainer and display
processes. Any of them can be inspected, killed, restarted, scaled or swapped
for another program while the video runs, and no recorded frame is lost.
.
Sources are cameras, network streams, files and test cards; the recording can
be searched, played and exported while it is written.")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA "${CMAKE_CURRENT_LIST_DIR}/debian/postinst;\
${CMAKE_CURRENT_LIST_DIR}/debian/prerm;${CMAKE_CURRENT_LIST_DIR}/debian/postrm;${CMAKE_CURRENT_LIST_DIR}/debian/conffiles")

set(CPACK_DEBIAN_DEV_PACKAGE_NAME libtroupe-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "libc6-dev, libprotobuf-c-dev, libzmq3-dev")
set(CPACK_DEBIAN_DEV_PACKAGE_SUGGESTS troupe)
set(CPACK_DEBIAN_DEV_DESCRIPTION "live-video pipeline - library for workers
Headers, archive and pkg-config file of what a worker of a troupe pipeline
stands on: frames in shared memory that are claimed, looked at or kept, and
messages to and from the supervisor. A worker is a table and a few callbacks.
.
The schemas of the messages and the contract of a worker, byte by byte for any
other language, are in here, too.")

set(CPACK_DEBIAN_PYTHON_PACKAGE_NAME python3-troupe)
set(CPACK_DEBIAN_PYTHON_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_PYTHON_PACKAGE_SECTION python)
set(CPACK_DEBIAN_PYTHON_PACKAGE_DEPENDS "libatomic1, python3, python3-protobuf, python3-zmq")
set(CPACK_DEBIAN_PYTHON_PACKAGE_RECOMMENDS python3-numpy)
set(CPACK_DEBIAN_PYTHON_PACKAGE_SUGGESTS troupe)
set(CPACK_DEBIAN_PYTHON_DESCRIPTION "live-video pipeline - module for workers in Python
A worker of a troupe pipeline in some sixty lines of Python: frames come as
arrays without a copy, and are claimed, looked at or kept under the same law as
any other worker's.")

include(CPack)
