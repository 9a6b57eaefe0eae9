# The web application of the studio, built from web/ with npm and embedded in the program.
#   LIKENESS_WEB_DIST   a folder with the built application; nothing is built then
# web/ is copied into the build folder and built there, so that several builds do not meet. What the
# page knows about tasks and options is printed by likeness_schema_dump, from the same declarations as
# the command line.
set(LIKENESS_WEB_DIST "" CACHE PATH "Folder with the built web application; empty: it is built from web/")
find_program(NODE_PROGRAM NAMES node nodejs)
find_program(NPM_PROGRAM npm)

function(likeness_studio_web target)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/embedded_web.cpp)
  set(embed ${CMAKE_COMMAND} -DOUT=${out})
  set(script ${CMAKE_SOURCE_DIR}/cmake/EmbedWeb.cmake)
  if(LIKENESS_WEB_DIST)
    file(GLOB_RECURSE built CONFIGURE_DEPENDS ${LIKENESS_WEB_DIST}/*)
    add_custom_command(OUTPUT ${out} COMMAND ${embed} -DDIST=${LIKENESS_WEB_DIST} -P ${script}
      DEPENDS ${built} ${script} COMMENT "Embedding ${LIKENESS_WEB_DIST}")
  elseif(LIKENESS_TORCH AND NODE_PROGRAM AND NPM_PROGRAM AND EXISTS ${CMAKE_SOURCE_DIR}/web/package-lock.json)
    set(work ${CMAKE_BINARY_DIR}/web)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/web/src/* ${CMAKE_SOURCE_DIR}/web/public/*
      ${CMAKE_SOURCE_DIR}/web/scripts/*)
    file(GLOB top CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/web/*.json ${CMAKE_SOURCE_DIR}/web/*.html
      ${CMAKE_SOURCE_DIR}/web/*.ts ${CMAKE_SOURCE_DIR}/web/*.js ${CMAKE_SOURCE_DIR}/web/.npmrc)
    list(APPEND sources ${top})
    list(FILTER sources EXCLUDE REGEX "/src/generated/")
    add_custom_command(OUTPUT ${out}
      COMMAND ${CMAKE_COMMAND} -DFROM=${CMAKE_SOURCE_DIR}/web -DWORK=${work} -DNODE=${NODE_PROGRAM}
        -DNPM=${NPM_PROGRAM} -DSCHEMA=$<TARGET_FILE:likeness_schema_dump>
        -P ${CMAKE_SOURCE_DIR}/cmake/BuildWeb.cmake
      COMMAND ${embed} -DDIST=${work}/dist -P ${script}
      DEPENDS ${sources} ${script} ${CMAKE_SOURCE_DIR}/cmake/BuildWeb.cmake likeness_schema_dump
      COMMENT "Building the studio's page with npm" VERBATIM)
  else()
    if(LIKENESS_TORCH AND EXISTS ${CMAKE_SOURCE_DIR}/web/package-lock.json)
      message(WARNING "node or npm is missing: the program is built without the studio's page. "
        "Install both with scripts/install-packages, then configure again.")
    endif()
    add_custom_command(OUTPUT ${out} COMMAND ${embed} -P ${script} DEPENDS ${script})
  endif()
  target_sources(${target} PRIVATE ${out})
endfunction()
