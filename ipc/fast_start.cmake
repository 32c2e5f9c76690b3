# What is started again while frames wait must not spend its time on loading libraries: the 26 that a worker would
# load with Debian's libzmq are two thirds of its start. So the programs that run a pipeline have theirs inside, as far
# as there are archives of them, and nothing else has: tests and sanitized programs load what everybody loads.
option(TROUPE_FAST_START "Link the pipeline's programs with archives instead of shared libraries" ON)
if(TROUPE_SANITIZE OR TROUPE_FUZZ)
  set(TROUPE_FAST_START OFF)
endif()

# troupe_fast_start(TARGETS...): these programs are started while somebody waits.
function(troupe_fast_start)
  set_target_properties(${ARGN} PROPERTIES FAST_START ${TROUPE_FAST_START})
  foreach(target ${ARGN})
    target_link_options(${target} PRIVATE LINKER:--as-needed)
  endforeach()
endfunction()

# troupe_library(VARIABLE SHARED NAME [ARCHIVE]): what to link for a library: its archive (libNAME.a, or the target
# ARCHIVE) in programs that start fast, where there is one, else the target or file SHARED.
function(troupe_library variable shared name)
  find_library(${variable}_ARCHIVE NAMES lib${name}.a)
  set(${variable} ${shared})
  if(TROUPE_FAST_START AND ${variable}_ARCHIVE)
    set(archive ${${variable}_ARCHIVE})
    if(ARGC GREATER 3)
      set(archive ${ARGV3})
    endif()
    set(${variable} "$<IF:$<BOOL:$<TARGET_PROPERTY:FAST_START>>,${archive},${shared}>")
  endif()
  set(${variable} "${${variable}}" PARENT_SCOPE)
endfunction()
