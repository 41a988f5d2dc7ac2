// SPDX-License-Identifier: MIT
// LLVM's reports as a status, for the files that run its passes.
#pragma once
#include "common/status.hh"
#include "llvm/IR/DiagnosticHandler.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/Support/raw_ostream.h"
#include <memory>
#include <string>

namespace tcodegen {

/// Collects what LLVM reports through the context, so that an error becomes a status and nothing is printed.
class Diagnostics final : public llvm::DiagnosticHandler {
public:
  explicit Diagnostics(std::string *errors) : errors(errors) {}
  bool handleDiagnostics(const llvm::DiagnosticInfo &info) override {
    if (info.getSeverity() != llvm::DS_Error) return true; // warnings and remarks of LLVM concern its own passes
    llvm::raw_string_ostream out(*errors);
    if (!errors->empty()) out << "; ";
    llvm::DiagnosticPrinterRawOStream printer(out);
    info.print(printer);
    return true;
  }
  bool isAnyRemarkEnabled() const override { return false; }

private:
  std::string *errors;
};

class DiagnosticScope {
public:
  explicit DiagnosticScope(llvm::LLVMContext &context) : context(context), saved(context.getDiagnosticHandler()) {
    context.setDiagnosticHandler(std::make_unique<Diagnostics>(&errors));
  }
  ~DiagnosticScope() { context.setDiagnosticHandler(std::move(saved)); }
  tessera::Status status(const char *kernel) const {
    if (errors.empty()) return {};
    return tessera::fail(tessera::Code::COMPILE, "LLVM, kernel '%s': %s", kernel, errors.c_str());
  }

private:
  llvm::LLVMContext &context;
  std::unique_ptr<llvm::DiagnosticHandler> saved;
  std::string errors;
};

} // namespace tcodegen
