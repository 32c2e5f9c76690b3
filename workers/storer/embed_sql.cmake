# cmake -DIN=FILE.sql -DOUT=FILE.h -DNAME=variable -P embed_sql.cmake: a text file as a C string.
set(text "/* Made from ${FROM} by the build. */\nstatic const char ${NAME}[] =\n")
file(READ ${IN} content)
string(REPLACE "\\" "\\\\" content "${content}")
string(REPLACE "\"" "\\\"" content "${content}")
string(REPLACE "\n" "\\n\"\n\t\"" content "${content}")
file(WRITE ${OUT} "${text}\t\"${content}\";\n")
