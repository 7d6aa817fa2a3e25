// Runs natively: the op is called as the function that it is.

#undef NDEBUG
#include <assert.h>
#include <string.h>

#include <cofferdam_test.h>

int main(void) {
  cof_test *test = cof_test_begin("mean");
  cof_test_input(test, "numbers", COF_JSON([1, 2.5]));
  assert(cof_test_run(test));
  assert(strcmp(cof_test_output(test, "result"), "1.75") == 0);
  cof_test_end(test);
}
