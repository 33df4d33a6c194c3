# The house's own rules as tests: each is one short script over the tracked files.
foreach(check layers sizes banned)
  add_test(NAME house.${check} COMMAND ${CMAKE_SOURCE_DIR}/harness/cmake/check_${check}
           WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
endforeach()
