# The house's own rules as tests: each is one short script over the tracked files.
foreach(check layers sizes banned)
  add_test(NAME house.${check} COMMAND ${CMAKE_SOURCE_DIR}/harness/cmake/check_${check}
           WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
endforeach()

# The program as a user drives it (suites/selftest/e2e). e2e.*: functions; real.*: whole gates, whose timing wants an
# optimised build. 77: cannot run here, and says why.
function(add_e2e name)
  add_test(NAME ${name} COMMAND ${CMAKE_SOURCE_DIR}/suites/selftest/e2e ${ARGN} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 600
    ENVIRONMENT "MESHPROOF=$<TARGET_FILE:meshproof>;MESHPROOF_ENVOY=${MESHPROOF_DEPS}/envoy/envoy")
endfunction()
foreach(case bad_input never_fired altered port_in_use missing_envoy interrupt deadline kill9)
  add_e2e(e2e.${case} ${case})
endforeach()

# `meshproof proxy` and `certs` as a user drives them, by clients and servers that we did not write.
function(add_client_test name script)
  add_test(NAME ${name} COMMAND ${CMAKE_SOURCE_DIR}/suites/selftest/${script} ${ARGN} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 600
    ENVIRONMENT "MESHPROOF=$<TARGET_FILE:meshproof>;MESHPROOF_ENVOY=${MESHPROOF_DEPS}/envoy/envoy;PYTHONPATH=${MESHPROOF_DEPS}/python")
endfunction()
add_client_test(e2e.proxy proxy/run)
add_client_test(e2e.certs tls/command)
add_client_test(e2e.faults faults/run)
add_client_test(e2e.h2 h2/run)
add_client_test(e2e.http1 http1/run)
add_client_test(e2e.lint lint/run exits seed formats exceptions hook samples)
add_client_test(e2e.lint_sarif lint/run schema)
add_client_test(e2e.istio_reading istio/run)
add_client_test(real.tls_matrix tls/matrix)
add_client_test(real.tls_rotation tls/rotation)
add_client_test(real.tls_lab tls/lab)
add_client_test(real.h2_lab h2/lab)
add_client_test(real.tls_claims tls/claims)
add_client_test(real.grpc grpc/run)
add_client_test(real.grpc_client grpc/client)
add_client_test(real.metrics external/metrics)

add_e2e(real.gate gate)
add_e2e(real.nine nine)
add_e2e(real.envoy envoy)
add_e2e(real.limits limits)
add_e2e(real.limits_envoy limits_envoy)
add_e2e(real.counters counters)
foreach(wrong retries_plus_one per_try_900ms no_reset consecutive_6 base_halved timeout_3s)
  add_e2e(real.envoy_wrong.${wrong} envoy_wrong ${wrong})
endforeach()
set_tests_properties(real.gate real.envoy PROPERTIES RUN_SERIAL TRUE)
file(STRINGS ${CMAKE_SOURCE_DIR}/harness/mesh/defects.def defect_rows REGEX "^DEFECT\\(")
foreach(row IN LISTS defect_rows)
  string(REGEX REPLACE "^DEFECT\\(([a-z0-9_]+),.*" "\\1" defect "${row}")
  add_e2e(real.defect.${defect} defect ${defect})
endforeach()
foreach(proxy nginx haproxy)
  foreach(variant "" --seed-policy)
    string(REPLACE "--" "." suffix "${variant}")
    add_test(NAME real.external.${proxy}${suffix} COMMAND ${CMAKE_SOURCE_DIR}/suites/selftest/external/run ${proxy} ${variant}
             WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(real.external.${proxy}${suffix} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 600 RUN_SERIAL TRUE
      ENVIRONMENT "MESHPROOF=$<TARGET_FILE:meshproof>")
  endforeach()
endforeach()
