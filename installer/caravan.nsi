; The Windows installer and uninstaller. `python -m installer.setup` writes files.nsh and firewall.nsh and runs makensis.
;
;   /S            says and asks nothing          /AllUsers     for everyone on this PC (asks for an administrator)
;   /CurrentUser  for this user, no firewall rules   /Autostart    start Caravan when this user signs in
;   /D=FOLDER     where to, last and unquoted    uninstall.exe /PURGE  removes models and chats too
;
; Exit codes: 0 done, 1 given up by the user, 2 failed, 3 Windows too old, 4 installed the other way, 5 still in use.

Target amd64-unicode
SetCompressor /SOLID lzma
ManifestDPIAware true
ManifestLongPathAware true
ManifestSupportedOS Win10
RequestExecutionLevel user
AllowSkipFiles off

!include LogicLib.nsh
!include FileFunc.nsh
!include WinVer.nsh
!include MUI2.nsh

!define NAME "Caravan"
!define UNINSTALL_KEY "Software\Microsoft\Windows\CurrentVersion\Uninstall\Caravan"
!define RUN_KEY "Software\Microsoft\Windows\CurrentVersion\Run"
!define APPROVED_KEY "Software\Microsoft\Windows\CurrentVersion\Explorer\StartupApproved\Run"
!define PROFILES_KEY "Software\Microsoft\Windows NT\CurrentVersion\ProfileList"
!define GIVEN_UP 1
!define TOO_OLD 3
!define OTHER_WAY 4
!define IN_USE 5
!define STOP_MILLISECONDS 40000

Name "${NAME}"
BrandingText "${NAME} ${VERSION}"
OutFile "${OUTFILE}"
ShowInstDetails nevershow
ShowUninstDetails nevershow

VIProductVersion "${VERSION_NUMBERS}"
VIFileVersion "${VERSION_NUMBERS}"
VIAddVersionKey ProductName "${NAME}"
VIAddVersionKey CompanyName "${COMPANY}"
VIAddVersionKey FileDescription "${NAME} setup"
VIAddVersionKey FileVersion "${VERSION}"
VIAddVersionKey ProductVersion "${VERSION}"
VIAddVersionKey LegalCopyright "${COPYRIGHT}"

!ifdef SIGN_COMMAND
  !finalize '${SIGN_COMMAND} "%1"' = 0
  !uninstfinalize '${SIGN_COMMAND} "%1"' = 0
!endif

Var Everyone      ; 1: for everyone on this PC, 0: for this user
Var Purge         ; 1: models and chats go too
Var StayedBehind  ; 1: something of ours is still in use

!define MUI_ICON "${ICON}"
!define MUI_UNICON "${ICON}"
!define MUI_COMPONENTSPAGE_NODESC
!define MUI_WELCOMEPAGE_TEXT "Caravan runs one language model over the PCs of your network.$\r$\n$\r$\nA running Caravan is stopped first. Your models, chats and settings stay as they are."
!define MUI_FINISHPAGE_RUN
!define MUI_FINISHPAGE_RUN_TEXT "Start Caravan"
!define MUI_FINISHPAGE_RUN_FUNCTION StartAsUser
!insertmacro MUI_PAGE_WELCOME
!insertmacro MUI_PAGE_LICENSE "${LICENCE}"
!insertmacro MUI_PAGE_COMPONENTS
!insertmacro MUI_PAGE_DIRECTORY
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE English

; ---------------------------------------------------------------- for installer and uninstaller alike

!define FOLDER_ "/D="
!define FOLDER_un. "_?="
!define REFUSED "Without administrator rights Caravan can be installed for you only, and without firewall rules: Windows may then keep other PCs from reaching this one.$\r$\n$\r$\nInstall it for you only?"

!macro Shared un

; Run this very program as administrator, wait, and end with its exit code. Returns only when the user has refused.
Function ${un}RunElevated
  ; NSIS has cut the folder off its command line, where it must stand last.
  ${GetParameters} $1
  StrCpy $1 "/AllUsers $1"
  ${If} $INSTDIR != ""
    StrCpy $1 "$1 ${FOLDER_${un}}$INSTDIR"
  ${EndIf}
  ; SHELLEXECUTEINFOW of 112 bytes; mask: keep the process handle, wait in this thread. The lone zeros are its padding.
  System::Call '*(i 112, i 0x140, p $HWNDPARENT, w "runas", w "$EXEPATH", w r1, p 0, i 1, i 0, p 0, p 0, p 0, p 0, i 0, i 0, p 0, p 0) p .r2'
  System::Call 'shell32::ShellExecuteExW(p r2) i .r3'
  ${If} $3 == 0
    System::Free $2
    Return
  ${EndIf}
  System::Call '*$2(i, i, p, p, p, p, p, i, i, p, p, p, p, i, i, p, p .r4)'
  System::Call 'kernel32::WaitForSingleObject(p r4, i -1)'
  System::Call 'kernel32::GetExitCodeProcess(p r4, *i .r5)'
  System::Call 'kernel32::CloseHandle(p r4)'
  SetErrorLevel $5
  Quit
FunctionEnd

; Settle $Everyone, become administrator for it when needed, and choose registry and start menu accordingly.
Function ${un}BecomeOne
  ${If} $Everyone == 1
    UserInfo::GetAccountType
    Pop $0
    ${If} $0 != "Admin"
      Call ${un}RunElevated
      ; Refused. A silent start must not change its meaning, and half an uninstallation helps nobody.
      !if "${un}" == ""
        IfSilent +2
        MessageBox MB_YESNO|MB_ICONQUESTION "${REFUSED}" /SD IDNO IDYES +3
      !endif
      SetErrorLevel ${GIVEN_UP}
      Quit
      StrCpy $Everyone 0
    ${EndIf}
  ${EndIf}
  ${If} $Everyone == 1
    SetShellVarContext all
  ${Else}
    SetShellVarContext current
  ${EndIf}
FunctionEnd

; End every program that runs from $INSTDIR, but for this one. $0 out: how many there were.
Function ${un}EndPrograms
  StrCpy $0 0
  StrLen $8 "$INSTDIR\"
  System::Call 'kernel32::GetCurrentProcessId() i .r9'
  System::Call 'kernel32::CreateToolhelp32Snapshot(i 2, i 0) p .r1'
  System::Alloc 568
  Pop $2
  System::Call '*$2(i 568)'
  System::Call 'kernel32::Process32FirstW(p r1, p r2) i .r3'
  ${DoWhile} $3 <> 0
    System::Call '*$2(i, i, i .r4)'
    ; May be ended, may be waited for, may be asked for its file.
    System::Call 'kernel32::OpenProcess(i 0x101001, i 0, i r4) p .r5'
    ${If} $5 <> 0
      System::Call 'kernel32::QueryFullProcessImageNameW(p r5, i 0, w .r6, *i ${NSIS_MAX_STRLEN}) i .r7'
      ${If} $7 <> 0
        StrCpy $6 $6 $8
        ${If} $6 == "$INSTDIR\"
        ${AndIf} $4 <> $9
          System::Call 'kernel32::TerminateProcess(p r5, i 1)'
          System::Call 'kernel32::WaitForSingleObject(p r5, i 5000)'
          IntOp $0 $0 + 1
        ${EndIf}
      ${EndIf}
      System::Call 'kernel32::CloseHandle(p r5)'
    ${EndIf}
    System::Call 'kernel32::Process32NextW(p r1, p r2) i .r3'
  ${Loop}
  System::Free $2
  System::Call 'kernel32::CloseHandle(p r1)'
FunctionEnd

; Ask a running Caravan to stop, end what still runs, and see whether its files are free. $StayedBehind out.
Function ${un}StopCaravan
  StrCpy $StayedBehind 0
  ${IfNot} ${FileExists} "$INSTDIR\Caravan.exe"
    Return
  ${EndIf}
  DetailPrint "Stopping Caravan ..."
  ${If} ${FileExists} "$INSTDIR\caravan-cli.exe"
    nsExec::Exec /TIMEOUT=${STOP_MILLISECONDS} '"$INSTDIR\caravan-cli.exe" node --stop'
    Pop $0
  ${EndIf}
  Call ${un}EndPrograms
  ; A tray that was just ended may leave a child that starts something: look again.
  ${If} $0 > 0
    Sleep 300
    Call ${un}EndPrograms
  ${EndIf}
  ClearErrors
  FileOpen $0 "$INSTDIR\Caravan.exe" a
  ${If} ${Errors}
    StrCpy $StayedBehind 1
  ${Else}
    FileClose $0
  ${EndIf}
FunctionEnd

; The program's own files and nothing else: the folder may hold something of the user's.
Function ${un}RemoveProgram
  RMDir /r "$INSTDIR\_internal"
  RMDir /r "$INSTDIR\engine"
  Delete "$INSTDIR\Caravan.exe"
  Delete "$INSTDIR\Caravan.pkg"
  Delete "$INSTDIR\caravan-cli.exe"
  Delete "$INSTDIR\caravan-cli.pkg"
FunctionEnd

!macroend

!insertmacro Shared ""
!insertmacro Shared "un."

; ---------------------------------------------------------------- install

Section "Caravan" SectionProgram
  SectionIn RO
  Call StopCaravan
  ${If} $StayedBehind == 1
    MessageBox MB_OK|MB_ICONSTOP "Caravan is still running from $INSTDIR and could not be stopped. Close it, then install again." /SD IDOK
    SetErrorLevel ${IN_USE}
    Abort "Caravan is still running from $INSTDIR."
  ${EndIf}
  Call RemoveProgram
  SetOverwrite on
  !include "${GENERATED}/files.nsh"
  ; Both programs share their modules: a second name for one file, or a copy where there are no such names.
  System::Call 'kernel32::CreateHardLinkW(w "$INSTDIR\caravan-cli.pkg", w "$INSTDIR\Caravan.pkg", p 0) i .r0'
  ${If} $0 == 0
    CopyFiles /SILENT "$INSTDIR\Caravan.pkg" "$INSTDIR\caravan-cli.pkg"
  ${EndIf}
  WriteUninstaller "$INSTDIR\uninstall.exe"
  CreateShortcut "$SMPROGRAMS\Caravan.lnk" "$INSTDIR\Caravan.exe"
  Call WriteEntry
  ${If} $Everyone == 1
    DetailPrint "Setting the firewall rules ..."
    !include "${GENERATED}/firewall-add.nsh"
  ${EndIf}
SectionEnd

Section /o "Start Caravan when I sign in" SectionAutostart
  WriteRegStr HKCU "${RUN_KEY}" "${NAME}" '"$INSTDIR\Caravan.exe" --hidden'
  DeleteRegValue HKCU "${APPROVED_KEY}" "${NAME}"
SectionEnd

; What "Apps" in the Settings shows.
Function WriteEntry
  WriteRegStr SHCTX "${UNINSTALL_KEY}" "DisplayName" "${NAME}"
  WriteRegStr SHCTX "${UNINSTALL_KEY}" "DisplayVersion" "${VERSION}"
  WriteRegStr SHCTX "${UNINSTALL_KEY}" "Publisher" "${COMPANY}"
  WriteRegStr SHCTX "${UNINSTALL_KEY}" "DisplayIcon" "$INSTDIR\Caravan.exe"
  WriteRegStr SHCTX "${UNINSTALL_KEY}" "InstallLocation" "$INSTDIR"
  WriteRegStr SHCTX "${UNINSTALL_KEY}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr SHCTX "${UNINSTALL_KEY}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
  WriteRegDWORD SHCTX "${UNINSTALL_KEY}" "EstimatedSize" ${SIZE_KIB}
  WriteRegDWORD SHCTX "${UNINSTALL_KEY}" "NoModify" 1
  WriteRegDWORD SHCTX "${UNINSTALL_KEY}" "NoRepair" 1
FunctionEnd

Function .onInit
  SetRegView 64
  ${IfNot} ${AtLeastWin10}
    MessageBox MB_OK|MB_ICONSTOP "Caravan needs Windows 10 or 11." /SD IDOK
    SetErrorLevel ${TOO_OLD}
    Quit
  ${EndIf}
  ReadRegStr $2 HKLM "${UNINSTALL_KEY}" "InstallLocation"
  ReadRegStr $3 HKCU "${UNINSTALL_KEY}" "InstallLocation"
  Call ChooseWho
  Call RefuseOtherWay
  Call BecomeOne
  Call ChooseFolder
  Call WantsAutostart
FunctionEnd

; $2 and $3 in: where it is installed for everyone, for this user. As it is installed already, else for everyone.
Function ChooseWho
  StrCpy $Everyone 1
  ${If} $3 != ""
  ${AndIf} $2 == ""
    StrCpy $Everyone 0
  ${EndIf}
  ${GetParameters} $0
  ClearErrors
  ${GetOptions} $0 "/CurrentUser" $1
  ${IfNot} ${Errors}
    StrCpy $Everyone 0
  ${EndIf}
  ClearErrors
  ${GetOptions} $0 "/AllUsers" $1
  ${IfNot} ${Errors}
    StrCpy $Everyone 1
  ${EndIf}
FunctionEnd

; Two installations would start and update beside each other.
Function RefuseOtherWay
  ${If} $Everyone == 1
  ${AndIf} $3 != ""
  ${AndIf} $2 == ""
    StrCpy $4 "for you only, in $3"
  ${ElseIf} $Everyone == 0
  ${AndIf} $2 != ""
    StrCpy $4 "for everyone on this PC, in $2"
  ${Else}
    Return
  ${EndIf}
  MessageBox MB_OK|MB_ICONSTOP "Caravan is already installed $4. Uninstall that first; your models and chats can stay." /SD IDOK
  SetErrorLevel ${OTHER_WAY}
  Quit
FunctionEnd

; /D= wins, then where it is, then the usual place. A folder that holds other things gets one of ours inside.
Function ChooseFolder
  ${If} $INSTDIR == ""
    ReadRegStr $INSTDIR SHCTX "${UNINSTALL_KEY}" "InstallLocation"
  ${EndIf}
  ${If} $INSTDIR == ""
    ${If} $Everyone == 1
      StrCpy $INSTDIR "$PROGRAMFILES64\${NAME}"
    ${Else}
      StrCpy $INSTDIR "$LOCALAPPDATA\Programs\${NAME}"
    ${EndIf}
  ${EndIf}
  ${If} ${FileExists} "$INSTDIR\*.*"
  ${AndIfNot} ${FileExists} "$INSTDIR\Caravan.exe"
    ${GetFileName} "$INSTDIR" $0
    ${If} $0 != "${NAME}"
      StrCpy $INSTDIR "$INSTDIR\${NAME}"
    ${EndIf}
  ${EndIf}
FunctionEnd

Function WantsAutostart
  ${GetParameters} $0
  ClearErrors
  ${GetOptions} $0 "/Autostart" $1
  ${IfNot} ${Errors}
    SectionSetFlags ${SectionAutostart} ${SF_SELECTED}
  ${EndIf}
FunctionEnd

; Explorer runs with the user's own rights, and so does what it starts.
Function StartAsUser
  Exec '"$WINDIR\explorer.exe" "$INSTDIR\Caravan.exe"'
FunctionEnd

; ---------------------------------------------------------------- uninstall

Section "Uninstall"
  Call un.StopCaravan
  ${If} $StayedBehind == 1
    MessageBox MB_OK|MB_ICONSTOP "Caravan is still running from $INSTDIR and could not be stopped. Close it, then uninstall again." /SD IDOK
    SetErrorLevel ${IN_USE}
    Abort "Caravan is still running from $INSTDIR."
  ${EndIf}
  ${If} $Everyone == 1
    !include "${GENERATED}/firewall-remove.nsh"
  ${EndIf}
  Call un.RemoveProgram
  Delete "$INSTDIR\uninstall.exe"
  RMDir "$INSTDIR"
  Delete "$SMPROGRAMS\Caravan.lnk"
  DeleteRegKey SHCTX "${UNINSTALL_KEY}"
  DeleteRegValue HKCU "${RUN_KEY}" "${NAME}"
  DeleteRegValue HKCU "${APPROVED_KEY}" "${NAME}"
  Call un.RemoveData
SectionEnd

Function un.onInit
  SetRegView 64
  ReadRegStr $0 HKLM "${UNINSTALL_KEY}" "InstallLocation"
  StrCpy $Everyone 0
  ${If} $0 == $INSTDIR
    StrCpy $Everyone 1
  ${EndIf}
  Call un.BecomeOne
  StrCpy $Purge 0
  ${GetParameters} $0
  ClearErrors
  ${GetOptions} $0 "/PURGE" $1
  ${IfNot} ${Errors}
    StrCpy $Purge 1
  ${EndIf}
FunctionEnd

; Identity, settings, logs, downloaded engines and half downloads go, for every user of an installation for everyone.
; Models and chats go only when the user says so.
Function un.RemoveData
  SetShellVarContext current
  StrCpy $R0 "$LOCALAPPDATA\${NAME}"
  Call un.AskAboutModels
  Call un.RemoveDataFolder
  ${If} $Everyone == 1
    StrCpy $R1 0
    ${Do}
      EnumRegKey $R2 HKLM "${PROFILES_KEY}" $R1
      ${If} $R2 == ""
        ${Break}
      ${EndIf}
      IntOp $R1 $R1 + 1
      ReadRegStr $R3 HKLM "${PROFILES_KEY}\$R2" "ProfileImagePath"
      ${If} $R3 != ""
        ExpandEnvStrings $R3 $R3
        StrCpy $R0 "$R3\AppData\Local\${NAME}"
        Call un.RemoveDataFolder
        DeleteRegValue HKU "$R2\${RUN_KEY}" "${NAME}"
        DeleteRegValue HKU "$R2\${APPROVED_KEY}" "${NAME}"
      ${EndIf}
    ${Loop}
  ${EndIf}
  Call un.RemoveCaches
FunctionEnd

; Folders with plain names that users with other letters in theirs have in ProgramData; a stranger's is not ours to remove.
Function un.RemoveCaches
  SetShellVarContext all
  ClearErrors
  FindFirst $R8 $R9 "$APPDATA\${NAME}-*"
  ${DoUntil} ${Errors}
    StrLen $R7 $R9
    ${If} $R7 == 24
      RMDir /r "$APPDATA\$R9"
    ${EndIf}
    ClearErrors
    FindNext $R8 $R9
  ${Loop}
  FindClose $R8
FunctionEnd

; $R0 in: a data folder.
Function un.AskAboutModels
  ${If} $Purge == 1
    Return
  ${EndIf}
  Call un.RemoveUnfinished
  ${IfNot} ${FileExists} "$R0\models\*.*"
  ${AndIfNot} ${FileExists} "$R0\chats*"
    Return
  ${EndIf}
  MessageBox MB_YESNO|MB_ICONQUESTION|MB_DEFBUTTON2 "Delete your models and chats in $R0, too?$\r$\n$\r$\nThey cannot be brought back." /SD IDNO IDNO keep
    StrCpy $Purge 1
  keep:
FunctionEnd

; $R0 in: a data folder. Everything in it goes but `models` and `chats...`, these too when purging.
Function un.RemoveDataFolder
  ${If} $Purge == 1
    RMDir /r "$R0"
    Return
  ${EndIf}
  ClearErrors
  FindFirst $R8 $R9 "$R0\*.*"
  ${If} ${Errors}
    Return
  ${EndIf}
  ${Do}
    StrCpy $R7 $R9 5
    ${If} $R9 != "."
    ${AndIf} $R9 != ".."
    ${AndIf} $R9 != "models"
    ${AndIf} $R7 != "chats"
      ${If} ${FileExists} "$R0\$R9\*.*"
        RMDir /r "$R0\$R9"
      ${Else}
        Delete "$R0\$R9"
      ${EndIf}
    ${EndIf}
    ClearErrors
    FindNext $R8 $R9
  ${LoopUntil} ${Errors}
  FindClose $R8
  Call un.RemoveUnfinished
  RMDir "$R0"
FunctionEnd

; $R0 in: a data folder. Half downloads are no models, and without the list of downloads nothing goes on with them.
Function un.RemoveUnfinished
  RMDir /r "$R0\models\.arriving"
  RMDir "$R0\models"
FunctionEnd
